// SPDX-License-Identifier: Apache-2.0

package network

import (
	"net/netip"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// nameTTL is how long an answer may be remembered, in seconds: members come
// and go.
const nameTTL = 5

// Names are the networks of one container, whose members' names it may ask for:
// its links have them as dns.Names. It is safe for concurrent use.
type Names struct {
	mu   sync.Mutex
	list []*Membership
}

// Add puts a network behind the others.
func (n *Names) Add(m *Membership) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, m)
}

// Remove takes a network away.
func (n *Names) Remove(m *Membership) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = slices.DeleteFunc(slices.Clone(n.list), func(o *Membership) bool { return o == m })
}

// Any reports whether there are names to ask for.
func (n *Names) Any() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.list) > 0
}

// Answer asks one network after the other. With only, nobody else is there to
// be asked.
func (n *Names) Answer(question []byte, only bool) []byte {
	n.mu.Lock()
	list := n.list
	n.mu.Unlock()
	for i, m := range list {
		if answer := m.answer(question, only && i == len(list)-1); answer != nil {
			return answer
		}
	}
	return nil
}

// answer answers a question for the name or the address of a member. It
// returns nil for what it does not know, unless it is all that there is to
// ask: then it says that there is no such name.
func (m *Membership) answer(question []byte, only bool) []byte {
	var p dnsmessage.Parser
	header, err := p.Start(question)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil || q.Class != dnsmessage.ClassINET {
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{ID: header.ID, Response: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true},
	}
	reply.Questions = []dnsmessage.Question{q}
	switch found := m.lookup(name); {
	case len(found) > 0: // with another type: the name exists, with nothing of that type
		head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: nameTTL}
		for _, o := range found {
			switch {
			case q.Type == dnsmessage.TypeA:
				reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: o.Addr.As4()}})
			case q.Type == dnsmessage.TypeAAAA && o.Addr6.IsValid():
				reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: o.Addr6.As16()}})
			}
		}
	case q.Type == dnsmessage.TypePTR && m.reverse(name, &reply):
	case only:
		reply.RCode = dnsmessage.RCodeNameError
	default:
		return nil
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// reversed reads the address that a name below in-addr.arpa or ip6.arpa stands
// for: 2.0.18.172.in-addr.arpa (RFC 1035, RFC 3596).
func reversed(name string) (netip.Addr, bool) {
	if digits, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		part := strings.Split(digits, ".")
		slices.Reverse(part)
		addr, err := netip.ParseAddr(strings.Join(part, "."))
		return addr, err == nil && addr.Is4()
	}
	digits, ok := strings.CutSuffix(name, ".ip6.arpa")
	if !ok || len(digits) != 63 {
		return netip.Addr{}, false
	}
	var text strings.Builder
	for i := 62; i >= 0; i -= 2 {
		text.WriteByte(digits[i])
		if i%8 == 0 && i > 0 {
			text.WriteByte(':')
		}
		if i > 0 && digits[i-1] != '.' {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(text.String())
	return addr, err == nil
}

// reverse answers for the address of a member.
func (m *Membership) reverse(name string, reply *dnsmessage.Message) bool {
	addr, ok := reversed(name)
	if !ok {
		return false
	}
	for _, o := range m.members() {
		if o.Addr != addr && o.Addr6 != addr {
			continue
		}
		ptr, err := dnsmessage.NewName(o.Name + "." + m.Network.Name + ".")
		if err != nil {
			return false
		}
		q := reply.Questions[0]
		reply.Answers = append(reply.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: nameTTL}, Body: &dnsmessage.PTRResource{PTR: ptr},
		})
		return true
	}
	return false
}
