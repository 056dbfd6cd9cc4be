// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"

	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/image"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
	"coracle/pkg/worker"
)

// Description is what a build would be.
type Description struct {
	Targets []plan.Target
	// Of the target that was asked for, with its base images:
	Outline plan.Outline
	Graph   string // as it is printed, package plan's Graph.String
}

// DescribeRequest asks what a build would be, without anything being built.
type DescribeRequest struct {
	Request Request
	// TargetsOnly leaves out what needs the base images, which are pulled if they
	// are not here.
	TargetsOnly bool
}

// Describe looks at a Dockerfile as [Build] does, and says what would be built.
func Describe(ctx context.Context, d state.Dirs, r DescribeRequest, events func(Event)) (Description, error) {
	if err := r.Request.Check(); err != nil {
		return Description{}, err
	}
	p, w := sent(r.Request, events)
	return describeOp.Call(ctx, d, describeParcel{p, r.TargetsOnly}, w)
}

type describeParcel struct {
	Parcel      parcel
	TargetsOnly bool
}

var describeOp = worker.Op[describeParcel, Description]{
	Name: "dockerfile.describe",
	Do: func(ctx context.Context, j *worker.Job, p describeParcel) (res Description, err error) {
		r, err := p.Parcel.unpack(j.Files)
		if err != nil {
			return res, err
		}
		err = opened(j, func(st *overlay.Store) error {
			images := &registryImages{image.Within(st, nil), r, nil}
			return withSources(ctx, st, r, func(e Event) { j.Event(e) }, func(src *sources) (err error) {
				res, err = describe(src, images, p.TargetsOnly)
				return err
			})
		})
		return res, err
	},
}

func describe(src *sources, images images, targetsOnly bool) (Description, error) {
	if err := src.load(); err != nil {
		return Description{}, err
	}
	d := Description{Targets: plan.Targets(src.file)}
	if targetsOnly {
		return d, nil
	}
	g, err := newBases(src, images).plan()
	if err == nil {
		d.Outline, d.Graph = g.Outline(), g.String()
	}
	return d, err
}
