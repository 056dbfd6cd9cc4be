// SPDX-License-Identifier: Apache-2.0

// Netload is the server and the client of hack/bench-net: small requests over
// TCP, kept-alive or with a connection each.
//
//	netload serve ADDR
//	netload load [-c 16] [-t 5s] [-new] ADDR
//
// A load prints requests (or connections) per second, and the median and the
// 99th percentile of the time that one takes, in milliseconds. A server answers
// a request for /bulk with data without end.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "netload:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("want serve ADDR or load [FLAGS] ADDR")
	}
	if args[0] == "serve" {
		return serve(args[1])
	}
	l := load{}
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.IntVar(&l.clients, "c", 16, "clients at a time")
	f.DurationVar(&l.time, "t", 5*time.Second, "how long")
	f.BoolVar(&l.fresh, "new", false, "a new connection for each request")
	f.BoolVar(&l.bulk, "bulk", false, "and one more connection that takes all it can get")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	l.addr = f.Arg(0)
	return l.run()
}

var (
	request = []byte("GET / HTTP/1.1\r\nHost: netload\r\n\r\n")
	bulk    = []byte("GET /bulk HTTP/1.1\r\nHost: netload\r\n\r\n")
	answer  = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n")
)

func serve(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			r := bufio.NewReader(c)
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				all := bytes.HasPrefix(line, []byte("GET /bulk"))
				for len(line) > 2 {
					if line, err = r.ReadSlice('\n'); err != nil {
						return
					}
				}
				if all {
					for data := make([]byte, 256<<10); err == nil; {
						_, err = c.Write(data)
					}
					return
				}
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		}()
	}
}

// load is what a client does.
type load struct {
	addr        string
	clients     int
	time        time.Duration
	fresh, bulk bool
}

func (l load) run() error {
	if l.bulk {
		c, err := net.Dial("tcp", l.addr)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write(bulk); err != nil {
			return err
		}
		go io.Copy(io.Discard, c)
	}
	end := time.Now().Add(l.time)
	took := make([][]time.Duration, l.clients)
	errs := make([]error, l.clients)
	var all sync.WaitGroup
	for i := range l.clients {
		all.Go(func() { took[i], errs[i] = l.client(end) })
	}
	all.Wait()
	times := slices.Concat(took...)
	if err := errors.Join(errs...); err != nil || len(times) == 0 {
		return errors.Join(err, errors.New("no answers"))
	}
	slices.Sort(times)
	at := func(share float64) float64 { return float64(times[int(share*float64(len(times)-1))]) / 1e6 }
	fmt.Printf("%.0f %.2f %.2f\n", float64(len(times))/l.time.Seconds(), at(0.5), at(0.99))
	return nil
}

func (l load) client(end time.Time) (took []time.Duration, err error) {
	var c net.Conn
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	buf := make([]byte, len(answer))
	for {
		began := time.Now()
		if began.After(end) {
			return took, nil
		}
		if c == nil {
			if c, err = net.Dial("tcp", l.addr); err != nil {
				return took, err
			}
		}
		if _, err := c.Write(request); err != nil {
			return took, err
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			return took, err
		}
		if l.fresh {
			_ = c.(*net.TCPConn).SetLinger(0) // or the ports run out
			c.Close()
			c = nil
		}
		took = append(took, time.Since(began))
	}
}
