// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"encoding/json"
	"errors"

	"coracle/pkg/image"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
	"coracle/pkg/wire/socket"
	"coracle/pkg/worker"
)

// Ops is what a worker does for this package.
func Ops() []worker.Handler { return []worker.Handler{buildOp, describeOp, cacheUseOp, pruneCacheOp} }

// Build carries out a Dockerfile, by a worker. What happens is told to events, one
// event at a time; nil hears nothing. The end of ctx cancels the build. A build
// that failed is an [*Error]; an archive that could not be written of an image
// that is there, whatever it is, often an [*image.WriteError].
func Build(ctx context.Context, d state.Dirs, r Request, events func(Event)) (Result, error) {
	if err := r.Check(); err != nil {
		return Result{}, err
	}
	p, w := sent(r, events)
	return buildOp.Call(ctx, d, p, w)
}

// BuildFor is Build for a client, which is asked for the context, for secrets and for
// credentials beside those of the request. The Dockerfile is r.Source.
func BuildFor(ctx context.Context, d state.Dirs, c Client, r Request, events func(Event)) (Result, error) {
	if err := r.Check(); err != nil {
		return Result{}, err
	}
	ours, theirs, err := socket.Pair()
	if err != nil {
		return Result{}, err
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		serve(ctx, c, ours)
	}()
	p, w := sent(r, events)
	w.Files = append(w.Files, theirs)
	p.Client = len(w.Files)
	res, err := buildOp.Call(ctx, d, p, w)
	theirs.Close()
	ours.Close()
	<-served
	return res, err
}

// sent is a request on its way, with what goes along.
func sent(r Request, events func(Event)) (parcel, worker.With) {
	p, files := pack(r)
	w := worker.With{Files: files}
	if events != nil {
		w.Event = func(data json.RawMessage) {
			var e Event
			if json.Unmarshal(data, &e) == nil {
				events(e)
			}
		}
	}
	return p, w
}

var buildOp = worker.Op[parcel, Result]{
	Name: "dockerfile.build",
	Do: func(ctx context.Context, j *worker.Job, p parcel) (res Result, err error) {
		r, err := p.unpack(j.Files)
		if err != nil {
			return res, err
		}
		client, err := p.client(j.Files)
		if err != nil {
			return res, err
		}
		defer client.close()
		err = opened(j, func(st *overlay.Store) (err error) {
			images := image.Within(st, nil) // a build removes none, so it asks for no users
			if res, err = build(ctx, st, &registryImages{images, r, client}, runner(st, r), r, client, func(e Event) { j.Event(e) }); err != nil || !r.KeepsImage() {
				return err
			}
			images.Built(res.Image.ID, r.Tags)
			return archive(ctx, images, r, res.Image.ID)
		})
		return res, err
	},
}

// opened runs f with the store open.
func opened(j *worker.Job, f func(*overlay.Store) error) error {
	st, err := overlay.OpenInside(j.Dirs)
	if err != nil {
		return err
	}
	return errors.Join(f(st), st.Close())
}

// archive writes the image to where it goes beside the store.
func archive(ctx context.Context, images *image.Store, r Request, id string) error {
	for _, o := range r.Outputs {
		if o.File == nil || o.Type != "docker" && o.Type != "oci" {
			continue
		}
		if err := images.Archive(ctx, []oci.SaveImage{{ID: id, Names: r.Tags}}, o.File); err != nil {
			return err
		}
	}
	return nil
}

// registryImages finds base images here and in registries.
type registryImages struct {
	images  *image.Store
	request Request
	client  *asker // nil without one
}

func (b *registryImages) resolve(ctx context.Context, name, platform string) (overlay.Details, error) {
	r := image.BaseRequest{Name: name, Platform: platform, Fresh: b.request.PullParent, Access: b.request.Access}
	if ref, err := oci.ParseRef(name); err == nil && b.client != nil {
		if r.Access.Auth, err = b.client.credentials(ctx, ref.Domain()); err != nil {
			return overlay.Details{}, err
		}
	}
	return b.images.Base(ctx, r, func(det overlay.Details) bool { return forPlatform(det, platform) })
}
