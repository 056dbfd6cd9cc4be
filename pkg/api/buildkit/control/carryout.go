// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/api/buildkit/session"
	"coracle/pkg/dockerfile"
	"coracle/pkg/oci"
)

// Keys of what an export says of an image: BuildKit's exporter/containerimage/exptypes.
const (
	keyConfigDigest = "containerimage.config.digest"
	keyDigest       = "containerimage.digest"
	keyName         = "image.name"
)

// carryOut builds for a job, and returns the ref of what came of it.
func (c *calls) carryOut(ctx context.Context, j *job, a asked) (string, error) {
	r, src, warnings, err := readAttrs(a, j.solve.entitlements)
	if err != nil {
		return "", err
	}
	s, err := c.sessionFor(ctx, j, nil, "")
	if err != nil {
		return "", err
	}
	ctx, cancel := s.Within(ctx) // a client that has left wants nothing any more
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	client := &client{calls: c, job: j, attrs: a.attrs, source: src, cancel: fail}
	r.Access = c.Access
	input, err := client.open(ctx, &r)
	if err != nil {
		return "", err
	}
	defer input.Close()
	out, err := c.openExports(ctx, s, j.solve.exports, &r)
	if err != nil {
		return "", err
	}
	defer out.close()
	before, err := c.passing.there(ctx)
	if err != nil {
		return "", err
	}
	res, err := dockerfile.BuildFor(ctx, c.Dirs, client, r, j.told.event)
	if sent := out.finish(ctx, err == nil); err == nil {
		err = sent
	}
	if err != nil {
		return "", failure(ctx, err)
	}
	if len(j.solve.exports) == 0 && !before[res.Image.ID] {
		c.passing.add(res.Image.ID)
	}
	for _, w := range append(warnings, res.Warnings...) {
		j.told.warn(w)
	}
	response := map[string]string{}
	if res.Image.ID != "" {
		response[keyConfigDigest], response[keyDigest] = "sha256:"+res.Image.ID, "sha256:"+res.Image.ID
		if len(r.Tags) > 0 {
			response[keyName] = strings.Join(r.Tags, ",")
		}
	}
	return j.keep(response), nil
}

// failure is a build that failed, as a client shows it: with the lines of the
// Dockerfile that it is about.
func failure(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil && errors.Is(err, context.Canceled) {
		return grpc.Errorf(grpc.Canceled, "%v", why)
	}
	st := &grpc.Status{Code: grpc.StatusOf(err).Code, Message: err.Error()}
	var bad *dockerfile.Error
	if errors.As(err, &bad) {
		if d, ok := excerpt(bad.Excerpt); ok {
			st.Details = append(st.Details, d)
		}
		if h := bad.Hint(); h != "" {
			st.Message += " (" + h + ")"
		}
	}
	return st
}

// exports are where a build's results go beside the store.
type exports struct {
	session *session.Session
	files   []exportFile
}

// exportFile is one that the build writes an archive to.
type exportFile struct {
	export int
	file   *os.File // the build's end
	sent   chan error
	local  bool
}

// openExports reads what a client wants to have of a result.
func (c *calls) openExports(ctx context.Context, s *session.Session, list []export, r *dockerfile.Request) (*exports, error) {
	x := &exports{session: s}
	if len(list) == 0 { // but another build may stand on this one
		r.Outputs = []dockerfile.Destination{{Type: "image"}}
	}
	for i, e := range list {
		err := error(nil)
		switch e.kind {
		case "moby", "image":
			r.Outputs = append(r.Outputs, dockerfile.Destination{Type: "image"})
			r.RewriteTimes = r.RewriteTimes || e.attrs["rewrite-timestamp"] == "true"
			err = addTags(r, e.attrs["name"])
			if e.kind == "image" && e.attrs["push"] == "true" {
				err = grpc.Errorf(grpc.Unimplemented, "exporter image: push is for the client to do, by Docker's interface")
			}
		case "local", "tar", "docker", "oci":
			err = x.add(ctx, c, i, e, r)
		default:
			err = grpc.Errorf(grpc.Unimplemented, "exporter %q could not be found", e.kind)
		}
		if err != nil {
			x.close()
			return nil, err
		}
	}
	return x, nil
}

func addTags(r *dockerfile.Request, names string) error {
	for _, n := range strings.Split(names, ",") {
		if n == "" {
			continue
		}
		ref, err := oci.ParseRef(n)
		if err != nil {
			return grpc.Errorf(grpc.InvalidArgument, "failed to parse %s: %v", n, err)
		}
		r.Tags = append(r.Tags, ref.Name())
	}
	return nil
}

// add is an export that goes to the client: an archive as it is made; a directory is
// one first, for the client asks for files in its own order.
func (x *exports) add(ctx context.Context, c *calls, number int, e export, r *dockerfile.Request) error {
	f := exportFile{export: number, local: e.kind == "local"}
	if f.local {
		var err error
		if f.file, err = c.scratch(); err != nil {
			return err
		}
	} else {
		from, to, err := os.Pipe()
		if err != nil {
			return err
		}
		f.file, f.sent = to, make(chan error, 1)
		go func() {
			err := x.sendFile(ctx, number, from)
			from.Close()
			f.sent <- err
		}()
	}
	if e.kind == "docker" || e.kind == "oci" {
		if err := addTags(r, e.attrs["name"]); err != nil {
			return err
		}
	}
	x.files = append(x.files, f)
	r.Outputs = append(r.Outputs, dockerfile.Destination{Type: e.kind, File: f.file})
	return nil
}

// sendFile sends an archive. Of a build that writes none the client hears nothing.
func (x *exports) sendFile(ctx context.Context, number int, from *os.File) error {
	first := make([]byte, 1)
	if _, err := io.ReadFull(from, first); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	return x.session.SendFile(ctx, number, io.MultiReader(strings.NewReader(string(first)), from))
}

// finish sends what is not sent yet, and returns when the client has it.
func (x *exports) finish(ctx context.Context, built bool) (err error) {
	for i := range x.files {
		f := &x.files[i]
		switch {
		case f.sent != nil:
			f.file.Close()
			f.file = nil
			err = errors.Join(err, <-f.sent)
		case built:
			if _, serr := f.file.Seek(0, io.SeekStart); serr != nil {
				return serr
			}
			err = errors.Join(err, x.session.SendFiles(ctx, f.export, f.file))
		}
	}
	return err
}

func (x *exports) close() {
	for _, f := range x.files {
		if f.file != nil {
			f.file.Close()
		}
	}
}

// scratch is a file without a name.
func (b *Builder) scratch() (*os.File, error) {
	dir := string(b.Dirs.Tmp())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "export-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// inMemory is a file with a text.
func inMemory(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("Dockerfile", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "Dockerfile")
	if _, err = f.Write(text); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
