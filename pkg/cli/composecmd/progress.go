// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	drawing "coracle/pkg/cli/progress"
	"coracle/pkg/compose"
	"coracle/pkg/dockerfile"
)

// progress says on standard error what happens to a project's parts: a line each,
// for a terminal, too.
type progress struct {
	mu     sync.Mutex
	w      io.Writer
	err    *os.File
	mode   string // plain, json, quiet
	said   []string
	builds map[string]*drawing.Build
}

func newProgress(e *command.Env, c *cli.Context) (*progress, error) {
	mode := c.String("progress")
	if mode == "" {
		mode = os.Getenv("COMPOSE_PROGRESS")
	}
	p := &progress{w: e.Stderr, err: e.Stderr, builds: map[string]*drawing.Build{}}
	switch mode {
	case "", "auto", "tty", "plain":
		p.mode = "plain"
	case "json", "quiet":
		p.mode = mode
	default:
		return nil, command.Errorf("unsupported --progress value %q", mode)
	}
	return p, nil
}

// event is one step of something.
func (p *progress) event(ev compose.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.mode {
	case "plain":
		fmt.Fprintf(p.w, " %s %s %s\n", ev.Kind, ev.Name, ev.Status)
	case "json":
		line, _ := json.Marshal(map[string]string{"id": ev.Kind + " " + ev.Name, "status": ev.Status})
		fmt.Fprintf(p.w, "%s\n", line)
	}
}

// built is a step of the build of a service.
func (p *progress) built(service string, ev dockerfile.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode != "plain" {
		return
	}
	b := p.builds[service]
	if b == nil {
		show, err := drawing.NewBuild(p.err, "plain")
		if err != nil {
			return
		}
		b = &show
		p.builds[service] = b
	}
	(*b).Event(ev)
}

// close ends what is drawn.
func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.builds {
		(*b).Close()
	}
	p.builds = map[string]*drawing.Build{}
}

// once prints a line unless one about the same was printed.
func (p *progress) once(line, about string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.said, about) {
		p.said = append(p.said, about)
		fmt.Fprintln(p.w, line)
	}
}
