// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// An answer to a question for an address (RFC 1035, 4.1): what was asked, as an
// answer, and one record, which names what was asked for by its place.
var addressRecord = []byte{0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1}

const dnsHeader = 12

// serveNames answers every question with the same address.
func serveNames(addr string) error {
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	for buf := make([]byte, 1500); ; {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return err
		}
		name := bytes.IndexByte(buf[dnsHeader:max(n, dnsHeader)], 0)
		if name < 0 {
			continue
		}
		// Without what else there may be behind the question, such as EDNS.
		reply := append(buf[:dnsHeader+name+5:dnsHeader+name+5], addressRecord...)
		copy(reply[2:], []byte{0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0})
		if _, err := c.WriteTo(reply, from); err != nil {
			return err
		}
	}
}

func question(name string) []byte {
	q := []byte{0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for label := range strings.SplitSeq(name, ".") {
		q = append(append(q, byte(len(label))), label...)
	}
	return append(q, 0, 0, 1, 0, 1)
}

// questions asks for an address. Every client has one socket and waits for an
// answer before it asks again.
func (l load) questions(name, addr string) error {
	r, err := l.all(func(end time.Time) (took []time.Duration, err error) {
		c, err := net.Dial("udp", addr)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		q, buf := question(name), make([]byte, 1500)
		for began := time.Now(); began.Before(end); began = time.Now() {
			binary.BigEndian.PutUint16(q, uint16(len(took)))
			if _, err := c.Write(q); err != nil {
				return nil, err
			}
			_ = c.SetReadDeadline(began.Add(5 * time.Second))
			n, err := c.Read(buf)
			if err != nil {
				return nil, err
			}
			if n < dnsHeader || !bytes.Equal(buf[:2], q[:2]) || buf[3]&0xf != 0 || buf[7] == 0 {
				return nil, errors.New("a question was answered without an address")
			}
			took = append(took, time.Since(began))
		}
		return took, nil
	})
	if err == nil {
		fmt.Printf("%.0f %.3f %.3f\n", r.rate, r.median, r.slow)
	}
	return err
}
