// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/api/buildkit/pb"
	"coracle/pkg/dockerfile"
)

// told is what has happened in a job, for who asks for it. What a command writes waits
// for who reads; where nobody does, it is dropped beyond a bound.
type told struct {
	mu      sync.Mutex
	changed *sync.Cond
	list    []func(*pb.Message) // to be sent
	bytes   int                 // of logs in it
	readers int
	closed  bool
	begun   map[int]time.Time // of steps
	first   string            // the first step's digest
	salt    string            // tells steps of one build from another's
}

// maxLogs bounds output that waits to be sent.
const maxLogs = 2 << 20

func newTold(salt string) *told {
	t := &told{salt: salt, begun: map[int]time.Time{}}
	t.changed = sync.NewCond(&t.mu)
	return t
}

// close says that nothing more happens.
func (t *told) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.changed.Broadcast()
}

// Fields of StatusResponse.
const (
	fieldVertex = iota + 1
	fieldStatus
	fieldLog
	fieldWarning
)

// add appends a message to what is to be sent. t.mu is held.
func (t *told) add(field int, f func(*pb.Message)) {
	t.list = append(t.list, func(m *pb.Message) { m.Message(field, f) })
	t.changed.Broadcast()
}

// vertex is the name that a step has for clients, who take steps of all their builds
// that have the same for one.
func (t *told) vertex(e dockerfile.Event) string {
	return digest.FromString(t.salt + strconv.Itoa(e.Step) + e.Name).String()
}

// event tells of one thing that happens.
func (t *told) event(e dockerfile.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := t.vertex(e)
	if t.first == "" {
		t.first = id
	}
	switch e.Kind {
	case dockerfile.Output:
		t.output(id, e)
	case dockerfile.Status:
		t.remark(id, e)
	case dockerfile.Started:
		t.begun[e.Step] = e.Time
		t.step(id, e, time.Time{}, "")
	case dockerfile.Failed:
		t.step(id, e, e.Time, e.Text)
	case dockerfile.Canceled:
		t.step(id, e, e.Time, context.Canceled.Error())
	case dockerfile.Cached, dockerfile.Done:
		t.step(id, e, e.Time, "")
	default:
		t.step(id, e, time.Time{}, "")
	}
}

func (t *told) step(id string, e dockerfile.Event, completed time.Time, why string) {
	started := t.begun[e.Step]
	if started.IsZero() {
		started = completed
	}
	t.add(fieldVertex, func(m *pb.Message) {
		m.Text(1, id)
		m.Text(3, e.Name)
		m.Flag(4, e.Kind == dockerfile.Cached)
		m.Time(5, started)
		m.Time(6, completed)
		m.Text(7, why)
	})
}

// remark is a line about a step. What is done has an end, which clients show by the
// same word.
func (t *told) remark(id string, e dockerfile.Event) {
	text, done := strings.CutSuffix(e.Text, " done")
	t.add(fieldStatus, func(m *pb.Message) {
		m.Text(1, text)
		m.Text(2, id)
		m.Time(6, e.Time)
		m.Time(7, e.Time)
		if done {
			m.Time(8, e.Time)
		}
	})
}

func (t *told) output(id string, e dockerfile.Event) {
	for t.bytes > maxLogs && t.readers > 0 && !t.closed {
		t.changed.Wait()
	}
	if t.bytes > maxLogs {
		return
	}
	t.bytes += len(e.Data)
	t.add(fieldLog, func(m *pb.Message) {
		m.Text(1, id)
		m.Time(2, e.Time)
		m.Number(3, 1) // standard output
		m.Data(4, e.Data)
	})
}

// warn tells of a warning.
func (t *told) warn(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := t.first
	t.add(fieldWarning, func(m *pb.Message) {
		m.Text(1, id)
		m.Number(2, 1)
		m.Data(3, []byte(text))
	})
}

// next takes what has happened since the last time, or nil at the end.
func (t *told) next() []func(*pb.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.list) == 0 && !t.closed {
		t.changed.Wait()
	}
	list := t.list
	t.list, t.bytes = nil, 0
	t.changed.Broadcast()
	return list
}

// status tells of a job until it has ended.
func (c *calls) status(ctx context.Context, s *grpc.Stream) error {
	req, err := s.Receive()
	if err != nil {
		return err
	}
	var name string
	if err := readText(req, 1, &name); err != nil {
		return err
	}
	j, err := c.job(ctx, name)
	if err != nil {
		return err
	}
	t := j.told
	t.read(1)
	defer t.read(-1)
	stop := context.AfterFunc(ctx, t.close)
	defer stop()
	return t.follow(s.Send)
}

// together is how much goes into one message, which is bounded.
const together = 1000

// follow tells send of all, in messages, until the end.
func (t *told) follow(send func([]byte) error) error {
	for list := t.next(); list != nil; list = t.next() {
		for len(list) > 0 {
			n := min(len(list), together)
			if err := send(pb.Encode(func(m *pb.Message) {
				for _, f := range list[:n] {
					f(m)
				}
			})); err != nil {
				return err
			}
			list = list[n:]
		}
	}
	return nil
}

func (t *told) read(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.readers += n
	t.changed.Broadcast()
}
