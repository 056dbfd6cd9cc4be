// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
)

// Direct asks for the one build of a session, as Docker's POST /build does for command
// lines that have BuildKit's client in them.
type Direct struct {
	Session string
	Attrs   map[string]string // as a frontend is told them
	Exports []Export          // none: the result goes nowhere
}

// Export is where a result goes: its type is one of BuildKit's or moby, the store.
type Export struct {
	Type  string
	Attrs map[string]string
}

// Build carries it out, and returns the ID of the image, "sha256:…", empty without one.
// What happens is told to each as the messages of Control.Status, from one goroutine,
// none after the return.
func (b *Builder) Build(ctx context.Context, r Direct, each func(status []byte)) (id string, err error) {
	// Even a refusal waits for the session: clients that are answered before they have
	// opened it do so then, and never end.
	s, err := b.Sessions.Get(ctx, r.Session)
	if err != nil {
		return "", err
	}
	defer func() {
		// The client may not have heard yet that its session is open. It would wait for
		// the end of one that it does not know how to close.
		if err != nil {
			s.Close()
		}
	}()
	c := b.newCalls()
	defer c.end(ctx)
	solve := solveRequest{session: r.Session, asked: asked{frontend: "dockerfile.v0", attrs: r.Attrs}}
	for _, e := range r.Exports {
		solve.exports = append(solve.exports, export{e.Type, e.Attrs})
	}
	j := newJob(ctx, solve)
	j.told.read(1)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = j.told.follow(func(msg []byte) error { each(msg); return nil })
	}()
	ref, err := c.carryOut(ctx, j, solve.asked)
	j.told.close()
	<-over
	if err != nil {
		return "", err
	}
	return j.gave(ref)[keyConfigDigest], nil
}
