// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/api/buildkit/pb"
	"coracle/pkg/api/buildkit/session"
)

// headerBuild names the job that a call of the gateway is about (BuildKit's
// client/buildid).
const headerBuild = "Buildkit-Controlapi-Buildid"

// arrival is how long the solve of a job may come after calls about it: clients make
// both at the same time.
const arrival = 10 * time.Second

// maxJobs bounds what one connection may have.
const maxJobs = 1000

// job is one build, from the solve that begins it to what is left of it for who asks.
type job struct {
	name   string
	ctx    context.Context
	solve  solveRequest
	told   *told
	give   func(outcome)
	mu     sync.Mutex
	builds map[string]map[string]string // what builds gave, by the refs they were given
}

func newJob(ctx context.Context, r solveRequest) *job {
	return &job{name: r.ref, ctx: ctx, solve: r, told: newTold(r.ref), builds: map[string]map[string]string{}}
}

// outcome is how a job ended.
type outcome struct {
	ref string // of what is to be given back, or empty
	err error
}

// add begins a job.
func (c *calls) add(j *job) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case j.name == "":
		return grpc.Errorf(grpc.InvalidArgument, "a build needs a ref")
	case c.jobs[j.name] != nil:
		return grpc.Errorf(grpc.InvalidArgument, "job ID %s exists", j.name)
	case len(c.jobs) >= maxJobs:
		return grpc.Errorf(grpc.ResourceExhausted, "more than %d builds over one connection", maxJobs)
	}
	c.jobs[j.name] = j
	close(c.changed)
	c.changed = make(chan struct{})
	return nil
}

// job returns the one of a name, for which it waits a little.
func (c *calls) job(ctx context.Context, name string) (*job, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, arrival, grpc.Errorf(grpc.NotFound, "no such job %s", name))
	defer cancel()
	for {
		c.mu.Lock()
		j, changed := c.jobs[name], c.changed
		c.mu.Unlock()
		if j != nil {
			return j, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (c *calls) jobOf(ctx context.Context, s *grpc.Stream) (*job, error) {
	return c.job(ctx, s.Header(headerBuild))
}

// solve is a job. With a frontend it is one build; without one the client says by the
// gateway what is to be built, and which result it is that is wanted.
func (c *calls) solve(ctx context.Context, _ *grpc.Stream, req []byte) ([]byte, error) {
	r, err := readSolve(req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j := newJob(ctx, r)
	defer j.told.close()
	out := make(chan outcome, 1)
	j.give = func(o outcome) {
		select {
		case out <- o:
		default: // it has ended
		}
	}
	if err := c.add(j); err != nil {
		return nil, err
	}
	if len(r.definition) > 0 {
		return nil, refuseDefinition(r.definition)
	}
	if r.frontend != "" {
		ref, err := c.carryOut(ctx, j, r.asked)
		j.give(outcome{ref, err})
	}
	var o outcome
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case o = <-out:
	}
	if o.err != nil {
		return nil, o.err
	}
	return pb.Encode(func(m *pb.Message) { m.Table(1, j.gave(o.ref)) }), nil
}

// build is a build of a job.
func (c *calls) build(ctx context.Context, s *grpc.Stream, req []byte) ([]byte, error) {
	j, err := c.jobOf(ctx, s)
	if err != nil {
		return nil, err
	}
	r, err := readGatewaySolve(req)
	if err != nil {
		return nil, err
	}
	if r.frontend == "" && len(r.definition) > 0 {
		return nil, refuseDefinition(r.definition)
	}
	if r.frontend == "" { // nothing at all
		return pb.Encode(func(m *pb.Message) { m.Message(3, func(m *pb.Message) {}) }), nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(j.ctx, cancel)()
	ref, err := c.carryOut(ctx, j, r)
	if err != nil {
		return nil, err
	}
	image := j.gave(ref)[keyConfigDigest]
	return pb.Encode(func(m *pb.Message) {
		m.Message(3, func(m *pb.Message) { // the result
			m.Message(3, func(m *pb.Message) { // its ref
				m.Text(1, ref)
				if image != "" {
					m.Message(2, func(m *pb.Message) { writeDefinition(m, image) })
				}
			})
		})
	}), nil
}

// giveBack is how the client ends a job.
func (c *calls) giveBack(ctx context.Context, s *grpc.Stream, req []byte) ([]byte, error) {
	j, err := c.jobOf(ctx, s)
	if err != nil {
		return nil, err
	}
	var o outcome
	err = pb.Read(req, func(f pb.Field) error {
		switch f.Number {
		case 1:
			return pb.Read(f.Data(), func(f pb.Field) error {
				if f.Number == 3 {
					return readText(f.Data(), 1, &o.ref)
				}
				return nil
			})
		case 2:
			st, err := grpc.ReadStatus(f.Data())
			if err == nil && st.Code != grpc.OK {
				o.err = st
			}
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	j.give(o)
	return nil, nil
}

// keep notes what a build gave, and returns its ref.
func (j *job) keep(response map[string]string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	ref := j.name + "-" + strconv.Itoa(len(j.builds)+1)
	j.builds[ref] = response
	return ref
}

// gave is what a build gave, by its ref.
func (j *job) gave(ref string) map[string]string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.builds[ref]
}

// sessionFor is the session that has a directory of the client's, which may be another
// than the build's: clients share directories among builds.
func (c *calls) sessionFor(ctx context.Context, j *job, attrs map[string]string, dir string) (*session.Session, error) {
	id := attrs["local-sessionid:"+dir]
	if id == "" {
		id = j.solve.session
	}
	if id == "" {
		return nil, errors.New("the build has no session: there is nobody to ask for files")
	}
	return c.Sessions.Get(ctx, id)
}
