// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A filter of a packet socket is a program of classic BPF (the kernel's
// networking/filter.rst). Jumps lead to labels here, or to the next step.
type filterStep struct {
	label    string
	code     uint16
	k        uint32
	yes, not string
}

const (
	takeFrame = "take"
	dropFrame = "drop"
)

// compile puts the two ends behind a program and resolves its labels.
func compile(steps []filterStep) []unix.SockFilter {
	steps = append(steps,
		filterStep{label: takeFrame, code: unix.BPF_RET | unix.BPF_K, k: 1 << 18},
		filterStep{label: dropFrame, code: unix.BPF_RET | unix.BPF_K},
	)
	at := map[string]int{}
	for i, s := range steps {
		if s.label != "" {
			at[s.label] = i
		}
	}
	prog := make([]unix.SockFilter, len(steps))
	for i, s := range steps {
		prog[i] = unix.SockFilter{Code: s.code, K: s.k}
		if s.yes != "" {
			prog[i].Jt = uint8(at[s.yes] - i - 1)
		}
		if s.not != "" {
			prog[i].Jf = uint8(at[s.not] - i - 1)
		}
	}
	return prog
}

const (
	loadWord  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	loadHalf  = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	loadByte  = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
	ifEqual   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	ifAnySet  = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	tcpNumber = unix.IPPROTO_TCP
	tcpFlags  = 13 // where they are in the header
	synFlag   = 2
)

// addressed are the steps that leave frames to a hardware address, or all but
// those.
func addressed(mac MAC, to bool) []filterStep {
	first, last := filterStep{code: ifEqual, k: binary.BigEndian.Uint32(mac[:]), not: dropFrame}, filterStep{code: ifEqual, k: uint32(binary.BigEndian.Uint16(mac[4:])), not: dropFrame}
	if !to {
		first.not, last.yes, last.not = takeFrame, dropFrame, takeFrame
	}
	return []filterStep{{code: loadWord, k: 0}, first, {code: loadHalf, k: 4}, last}
}

// requestsAlone are the steps that leave out what the kernel carries: of TCP from
// the container's addresses to others than the stack's own, requests for a
// connection pass.
func requestsAlone(c Config) []filterStep {
	const ip = EtherHeader
	steps := []filterStep{
		{code: loadHalf, k: 12},
		{code: ifEqual, k: unix.ETH_P_IPV6, yes: "six"},
		{code: ifEqual, k: unix.ETH_P_IP, not: takeFrame},
		{code: loadByte, k: ip + 9},
		{code: ifEqual, k: tcpNumber, not: takeFrame},
		{code: loadHalf, k: ip + 6},
		{code: ifAnySet, k: 0x1fff, yes: takeFrame}, // a later fragment
		{code: loadWord, k: ip + 12},
		{code: ifEqual, k: wordOf(c.Address.Addr(), 0), not: takeFrame},
		{code: loadWord, k: ip + 16},
		{code: ifEqual, k: wordOf(c.Gateway, 0), yes: takeFrame},
		{code: ifEqual, k: wordOf(c.DNS, 0), yes: takeFrame},
		{code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, k: ip},
		{code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, k: ip + tcpFlags},
		{code: ifAnySet, k: synFlag, yes: takeFrame, not: dropFrame},
		{label: "six", code: loadByte, k: ip + 6},
		{code: ifEqual, k: tcpNumber, not: takeFrame},
	}
	if c.Address6.IsValid() {
		for i := range 4 {
			steps = append(steps, filterStep{code: loadWord, k: uint32(ip + 8 + 4*i)}, filterStep{code: ifEqual, k: wordOf(c.Address6.Addr(), i), not: takeFrame})
		}
		for i := range 4 {
			other := filterStep{code: ifEqual, k: wordOf(c.Gateway6, i), not: "flags"}
			if i == 3 {
				other.yes = takeFrame
			}
			steps = append(steps, filterStep{code: loadWord, k: uint32(ip + 24 + 4*i)}, other)
		}
	}
	return append(steps,
		filterStep{label: "flags", code: loadByte, k: ip + 40 + tcpFlags},
		filterStep{code: ifAnySet, k: synFlag, yes: takeFrame, not: dropFrame},
	)
}

func wordOf(a netip.Addr, i int) uint32 { return binary.BigEndian.Uint32(a.AsSlice()[4*i:]) }
