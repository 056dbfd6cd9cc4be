// SPDX-License-Identifier: Apache-2.0

package slirp

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

// Names are the networks of one container, whose members' names it may ask for.
// It is safe for concurrent use.
type Names struct {
	mu   sync.Mutex
	list []*Membership
}

func (n *Names) add(m *Membership) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, m)
}

func (n *Names) remove(m *Membership) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = slices.DeleteFunc(slices.Clone(n.list), func(o *Membership) bool { return o == m })
}

// any reports whether there are names to ask for.
func (n *Names) any() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.list) > 0
}

// answer asks one network after the other. With only, nobody else is there to
// be asked.
func (n *Names) answer(question []byte, only bool) []byte {
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
	switch found, known := m.lookup(name); {
	case known && q.Type == dnsmessage.TypeA:
		for _, a := range found {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: nameTTL}, Body: &dnsmessage.AResource{A: a.As4()},
			})
		}
	case known: // the name exists, with nothing of that type
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

// reverse answers for the address of a member: 2.0.18.172.in-addr.arpa.
func (m *Membership) reverse(name string, reply *dnsmessage.Message) bool {
	digits, ok := strings.CutSuffix(name, ".in-addr.arpa")
	part := strings.Split(digits, ".")
	if !ok || len(part) != 4 {
		return false
	}
	addr, err := netip.ParseAddr(part[3] + "." + part[2] + "." + part[1] + "." + part[0])
	if err != nil {
		return false
	}
	for _, o := range m.members() {
		if o.Addr != addr {
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
