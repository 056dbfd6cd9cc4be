// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// Image is an image configuration with Docker's additions to the OCI format.
type Image = plan.Image

// Configure applies instructions that only change the configuration, those of
// commit and import --change. Its texts are Docker's.
func Configure(image *Image, changes []string) error { return plan.Configure(image, changes) }

// Change applies instructions to the configuration of an image alone.
func Change(conf *dockerspec.DockerOCIImageConfig, changes []string) error {
	var img Image
	img.Config = *conf
	if err := Configure(&img, changes); err != nil {
		return err
	}
	*conf = img.Config
	return nil
}

// images finds base images.
type images interface {
	// resolve returns the image that a name stands for, pulling it when it is not
	// there, or in any case where the request says so.
	resolve(ctx context.Context, ref, platform string) (overlay.Details, error)
}

// Result is what a build gives.
type Result struct {
	Image    overlay.Image // none without an image in the store
	Warnings []string
}

// build carries out a Dockerfile in an open store. What happens is told to
// events, one event at a time.
//
// Preconditions: the process is inside the user namespace, in a mount
// namespace of its own.
func build(ctx context.Context, st *overlay.Store, images images, run exec.Runner, r Request, client *asker, events func(Event)) (Result, error) {
	// Whoever prunes the cache waits for us: layers that no image has yet are
	// not garbage while they are being built on.
	lock, err := cache.Lock(ctx, st.Dirs(), state.Shared)
	if err != nil {
		return Result{}, err
	}
	defer lock.Release()
	var res Result
	err = withSources(ctx, st, r, events, func(src *sources) (err error) {
		src.client = client
		res, err = carryOut(src, images, run)
		return err
	})
	return res, err
}

// withSources lets f look at what a build is made from. Its error gets what the
// user needs to find the place.
func withSources(ctx context.Context, st *overlay.Store, r Request, events func(Event), f func(*sources) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j := &exec.Job{
		Ctx: ctx, Cancel: cancel, Store: st, Tell: exec.NewTeller(ctx, events),
		Trees: exec.NewTrees(st), Cache: cache.Open(st, r.NoCache),
	}
	defer j.Trees.Close()
	src := &sources{Job: j, req: &r}
	defer src.close()
	if err := f(src); err != nil {
		return locate(ctx, src.file, err)
	}
	return nil
}

func carryOut(src *sources, images images, run exec.Runner) (Result, error) {
	if err := src.load(); err != nil {
		return Result{}, err
	}
	j, r := src.Job, src.req
	b := newBases(src, images)
	g, err := b.plan()
	if err != nil {
		return Result{}, err
	}
	for _, w := range g.Warnings {
		j.Warn(w)
	}
	if r.TellPlan {
		j.Tell.Plan(g.Instructions)
	}
	if err := src.receiveContext(g); err != nil {
		return Result{}, err
	}
	o := exec.Options{
		Runner: run, Context: src.context, Sums: src.sums, Images: b.found,
		AddHosts: r.ExtraHosts, ShmSize: r.ShmSize, Secrets: r.secrets(), RewriteTimes: r.RewriteTimes,
	}
	if src.client != nil {
		o.AskSecret = src.client.secret
		o.Receive = func(name string) (*files.Tree, error) { return src.receive(name, nil, nil) }
	}
	s := exec.New(j, o, g)
	err = s.Solve()
	src.sums.Save(err == nil)
	if err != nil {
		return Result{}, err
	}
	e := &exporter{Job: j, Result: g.Result, req: r, layers: s.Layers(g.Result.Top), epoch: g.Epoch}
	return e.export()
}
