// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"

	"coracle/pkg/api/buildkit/session"
	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/image"
	"coracle/pkg/oci/registry"
	"coracle/pkg/state"
)

// Engine answers requests. It is safe for concurrent use.
type Engine struct {
	Dirs    state.Dirs
	Version string          // this program's
	Access  registry.Access // to registries, where a request brings nothing along
	Log     io.Writer       // is told what failed; nil: nobody

	sessions session.Sessions // of BuildKit's clients
	builds   running
}

// containers is the set of containers.
func (e *Engine) containers() *container.Store { return container.NewStore(e.Dirs) }

// images is the set of images.
func (e *Engine) images() *image.Store { return image.NewStore(e.Dirs, container.ImageUsers) }

// ServeHTTP answers one request.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.answer(&call{e: e, r: r, w: w}, e.serve)
}

// answer runs a handler, and says what went wrong.
func (e *Engine) answer(c *call, do handler) {
	defer func() {
		p := recover()
		if p == http.ErrAbortHandler { // the connection ends, and nothing is to be said
			panic(p)
		}
		if p != nil {
			e.logf("%s %s: panic: %v\n%s", c.r.Method, c.r.URL.Path, p, debug.Stack())
			c.fail(fmt.Errorf("internal error: %v", p))
		}
	}()
	if err := do(c); err != nil {
		if docker.KindOf(err) == docker.Failure && c.ctx().Err() == nil {
			e.logf("%s %s: %v", c.r.Method, c.r.URL.Path, err)
		}
		c.fail(err)
	}
}

func (e *Engine) serve(c *call) (err error) {
	h := c.w.Header()
	h.Set("Server", fmt.Sprintf("Docker/%s (%s)", e.Version, runtime.GOOS))
	h.Set("Api-Version", docker.APIVersion)
	h.Set("Docker-Experimental", "false")
	h.Set("Ostype", runtime.GOOS)
	version, path := splitVersion(c.r.URL.Path)
	do := find(c, c.r.Method, path)
	if do == nil {
		return pageNotFound
	}
	if c.version, err = checkVersion(version); err != nil {
		return err
	}
	if c.form, err = parseForm(c.r); err != nil {
		return err
	}
	return do(c)
}

func (e *Engine) logf(format string, args ...any) {
	if e.Log != nil {
		fmt.Fprintln(e.Log, "api: "+strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
	}
}
