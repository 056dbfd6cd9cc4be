// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
	"coracle/pkg/container/archive"
	"coracle/pkg/container/create"
	"coracle/pkg/docker"
	"coracle/pkg/image"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// make makes the container of a step under a name.
func (j *job) make(ctx context.Context, s Step, name string) (*container.Container, error) {
	service := j.p.Services[s.Service]
	o := convert.Options{
		Number: s.Number, Name: s.Name, ImageID: j.c.Images[s.Service].ID, Carry: s.Carry, ReadFile: j.c.ReadFile,
	}
	if s.Old != nil {
		o.Replaces = s.Old.Name
	}
	service, err := convert.Resolve(service, j.firstOf)
	if err != nil {
		return nil, err
	}
	return j.makeOne(ctx, j.p, service, o, name)
}

// makeOne makes a container of a service whose references are resolved.
func (e *Engine) makeOne(ctx context.Context, p *types.Project, s types.ServiceConfig, o convert.Options, name string) (*container.Container, error) {
	q, files, err := convert.Container(p, s, o)
	if err != nil {
		return nil, err
	}
	q.Name = name
	cs := e.containers()
	c, err := create.Create(ctx, cs, state.NewID(), q, create.Images{
		Resolve: func(ctx context.Context, check func() error) (*state.Lock, overlay.Details, error) {
			return e.images().Hold(ctx, image.HoldRequest{Name: q.Image, Platform: q.Platform, Pull: image.PullNever, BeforePull: check, Own: create.NeedsOwnLayers(q)}, nil)
		},
		Find: func(ref string) (overlay.Details, error) {
			img, _, err := e.images().Find(ctx, ref)
			if err != nil {
				return overlay.Details{}, err
			}
			return e.images().Details(ctx, img.ID)
		},
	}, func(list []docker.Warning) { e.warnAll(list) })
	if err != nil {
		return nil, err
	}
	if err := e.put(ctx, c, files); err != nil {
		_ = e.discard(context.WithoutCancel(ctx), c, true)
		return nil, fmt.Errorf("container %s: %w", name, err)
	}
	return c, nil
}

// put puts files into a container that has not been started.
func (e *Engine) put(ctx context.Context, c *container.Container, files []convert.File) error {
	if len(files) == 0 {
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		err := writeFiles(w, files)
		w.Close()
		written <- err
	}()
	_, err = archive.In(ctx, e.containers(), c, r, archive.InOptions{Path: "/", Owners: true}, nil)
	r.Close()
	return errors.Join(<-written, err)
}

// writeFiles writes files as an archive.
func writeFiles(w io.Writer, files []convert.File) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		text := []byte(f.Content)
		if f.Source != "" {
			var err error
			if text, err = os.ReadFile(f.Source); err != nil {
				return err
			}
		}
		err := t.WriteHeader(&tar.Header{
			Name: strings.TrimPrefix(f.Target, "/"), Typeflag: tar.TypeReg, Mode: int64(f.Mode), Uid: f.UID, Gid: f.GID, Size: int64(len(text)),
		})
		if err == nil {
			_, err = t.Write(text)
		}
		if err != nil {
			return err
		}
	}
	return t.Close()
}

// Oneoff is what run says of its container.
type Oneoff struct {
	Name       string
	Labels     map[string]string
	AutoRemove bool
	UseAliases bool
	Attach     bool
	Images     map[string]ImageFacts
	ReadFile   func(string) ([]byte, error)
}

// MakeOneoff makes the container of a run, which is none of the service's own.
func (e *Engine) MakeOneoff(ctx context.Context, p *types.Project, s types.ServiceConfig, has Observed, o Oneoff) (*container.Container, error) {
	s, err := convert.Resolve(s, func(service string) (string, bool) {
		if list := has.Services[service]; len(list) > 0 {
			return list[0].ID, true
		}
		return "", false
	})
	if err != nil {
		return nil, err
	}
	slug := state.NewID()
	if o.Name == "" {
		o.Name = fmt.Sprintf("%s-%s-run-%s", p.Name, s.Name, slug[:12])
	}
	labels := map[string]string{convert.LabelOneoff: "True", convert.LabelSlug: slug}
	maps.Copy(labels, o.Labels)
	s.ContainerName = ""
	return e.makeOne(ctx, p, s, convert.Options{
		Number: 1, Name: o.Name, ImageID: o.Images[s.Name].ID, Labels: labels, AutoRemove: o.AutoRemove, NoAliases: !o.UseAliases, Attach: o.Attach,
		ReadFile: o.ReadFile,
	}, o.Name)
}
