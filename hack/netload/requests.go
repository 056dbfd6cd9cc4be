// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// The requests are HTTP as far as it matters here: the server closes a connection
// that is asked for with "Connection: close", and /bulk has no end.
var (
	request     = []byte("GET / HTTP/1.1\r\nHost: netload\r\n\r\n")
	lastRequest = []byte("GET /last HTTP/1.1\r\nHost: netload\r\nConnection: close\r\n\r\n")
	bulkRequest = []byte("GET /bulk HTTP/1.1\r\nHost: netload\r\n\r\n")
	answer      = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n")
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
		go answerAll(c)
	}
}

func answerAll(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		last, bulk := bytes.HasPrefix(line, []byte("GET /last")), bytes.HasPrefix(line, []byte("GET /bulk"))
		for len(line) > 2 {
			if line, err = r.ReadSlice('\n'); err != nil {
				return
			}
		}
		if bulk {
			for data := make([]byte, 256<<10); err == nil; {
				_, err = c.Write(data)
			}
			return
		}
		if _, err := c.Write(answer); err != nil || last {
			return
		}
	}
}

func (l load) requests(addr string) error {
	var bytes atomic.Int64
	if l.bulk {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write(bulkRequest); err != nil {
			return err
		}
		go download(c, &bytes)
	}
	r, err := l.all(func(end time.Time) ([]time.Duration, error) {
		if l.fresh {
			return connections(addr, end)
		}
		return keptAlive(addr, end)
	})
	if err != nil {
		return err
	}
	fmt.Printf("%.0f %.3f %.3f", r.rate, r.median, r.slow)
	if l.bulk {
		fmt.Printf(" %.1f", float64(bytes.Load())*8/1e9/l.time.Seconds())
	}
	fmt.Println()
	return nil
}

func download(c net.Conn, bytes *atomic.Int64) {
	for buf := make([]byte, 256<<10); ; {
		n, err := c.Read(buf)
		bytes.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// keptAlive makes one request after the other.
func keptAlive(addr string, end time.Time) (took []time.Duration, err error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	buf := make([]byte, len(answer))
	for began := time.Now(); began.Before(end); began = time.Now() {
		if _, err := c.Write(request); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

// connections makes a connection for each request, and waits until the server has
// closed it.
func connections(addr string, end time.Time) (took []time.Duration, err error) {
	buf := make([]byte, 512)
	for began := time.Now(); began.Before(end); began = time.Now() {
		if err := oneConnection(addr, buf); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

func oneConnection(addr string, buf []byte) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(lastRequest); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, buf[:len(answer)]); err != nil {
		return err
	}
	if _, err := c.Read(buf); err != io.EOF {
		return fmt.Errorf("connection of %s is still open: %w", c.LocalAddr(), err)
	}
	return nil
}
