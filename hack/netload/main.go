// SPDX-License-Identifier: Apache-2.0

// Netload is the server and the client of hack/bench-net, on the host and in
// containers: small requests over TCP, and questions to name servers.
//
//	netload serve ADDR
//	netload load [-c 16] [-t 5s] [-new] [-bulk] ADDR
//	netload names ADDR
//	netload ask [-c 16] [-t 5s] NAME ADDR
//
// A load prints how many requests, connections or questions were answered in a
// second, and the median and the 99th percentile of the time that one took, in
// milliseconds; with -bulk, also the Gbit/s of the download beside it.
package main

import (
	"errors"
	"flag"
	"fmt"
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
		return errors.New("want serve ADDR, load ADDR, names ADDR or ask NAME ADDR")
	}
	l := load{}
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.IntVar(&l.clients, "c", 16, "clients at a time")
	f.DurationVar(&l.time, "t", 5*time.Second, "how long")
	f.BoolVar(&l.fresh, "new", false, "a new connection for each request, which the server closes")
	f.BoolVar(&l.bulk, "bulk", false, "and one more connection that takes all it can get")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "serve":
		return serve(f.Arg(0))
	case "names":
		return serveNames(f.Arg(0))
	case "load":
		return l.requests(f.Arg(0))
	case "ask":
		return l.questions(f.Arg(0), f.Arg(1))
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// load is what clients do.
type load struct {
	clients     int
	time        time.Duration
	fresh, bulk bool
}

// result is what they have seen.
type result struct{ rate, median, slow float64 }

// all has every client work until the end, and sums up how long things took.
func (l load) all(client func(end time.Time) ([]time.Duration, error)) (result, error) {
	end := time.Now().Add(l.time)
	took := make([][]time.Duration, l.clients)
	errs := make([]error, l.clients)
	var all sync.WaitGroup
	for i := range l.clients {
		all.Go(func() { took[i], errs[i] = client(end) })
	}
	all.Wait()
	times := slices.Concat(took...)
	if err := errors.Join(errs...); err != nil {
		return result{}, err
	}
	if len(times) == 0 {
		return result{}, errors.New("no answers")
	}
	slices.Sort(times)
	at := func(share float64) float64 { return times[int(share*float64(len(times)-1))].Seconds() * 1000 }
	return result{float64(len(times)) / l.time.Seconds(), at(0.5), at(0.99)}, nil
}
