// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/container/logfile"
	"coracle/pkg/docker"
)

func logs(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "View output from containers", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			flags.Bool("follow", flags.Short("f"), "Follow log output"),
			&cli.IntFlag{Name: "index", Usage: "index of the container if service has multiple replicas"},
			flags.Bool("no-color", nil, "Produce monochrome output"),
			flags.Bool("no-log-prefix", nil, "Don't print prefix in logs"),
			flags.Text("since", nil, "Show logs since timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)"),
			&cli.StringFlag{Name: "tail", Aliases: flags.Short("n"), Value: "all", Usage: "Number of lines to show from the end of the logs for each container"},
			flags.Bool("timestamps", flags.Short("t"), "Show timestamps"),
			flags.Text("until", nil, "Show logs before a timestamp or relative"),
		},
		Action: verb(e, 0, -1, runLogs),
	}
}

// logChoice is what of a log is shown.
type logChoice struct {
	follow       bool
	tail         int // negative: all
	since, until time.Time
}

func runLogs(ctx context.Context, s *session) error {
	_, has, services, err := s.observed(ctx)
	if err != nil {
		return err
	}
	o := logChoice{follow: s.c.Bool("follow"), tail: -1}
	if n, err := strconv.Atoi(s.c.String("tail")); err == nil && n >= 0 {
		o.tail = n
	}
	if o.since, err = docker.ParseMoment(s.c.String("since")); err != nil {
		return fmt.Errorf("invalid value for \"since\": %w", err)
	}
	if o.until, err = docker.ParseMoment(s.c.String("until")); err != nil {
		return fmt.Errorf("invalid value for \"until\": %w", err)
	}
	name := ""
	if _, name, err = s.projectOrName(ctx); err != nil {
		return err
	}
	var list []*container.Container
	for _, c := range has.Containers(services...) {
		if n := s.c.Int("index"); n == 0 || n == compose.Number(c) {
			list = append(list, c)
		}
	}
	p := newPrinter(s, list)
	if o.follow {
		return s.followLogs(ctx, name, services, list, p, o)
	}
	cs := container.NewStore(s.engine.Dirs)
	for _, c := range list {
		if err := p.follow(ctx, cs, c, o); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// printer prints the output of several containers line by line.
type printer struct {
	mu     sync.Mutex
	s      *session
	width  int
	color  bool
	colors map[string]int    // by ID
	last   map[string]string // by ID, the time of what was printed last
	bare   bool              // without the name before each line
	stamps bool
}

func newPrinter(s *session, list []*container.Container) *printer {
	p := &printer{s: s, colors: map[string]int{}, last: map[string]string{}, bare: s.c.Bool("no-log-prefix"), stamps: s.c.Bool("timestamps")}
	ansi := s.c.String("ansi")
	p.color = !s.c.Bool("no-color") && os.Getenv("NO_COLOR") == "" && ansi != "never" && (ansi == "always" || command.IsTerminal(s.Stdout))
	for _, c := range list {
		p.add(c)
	}
	return p
}

// add makes room for the name of a container, and gives it a colour.
func (p *printer) add(c *container.Container) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.width = max(p.width, len(p.name(c)))
	if _, ok := p.colors[c.ID]; !ok {
		p.colors[c.ID] = 31 + (len(p.colors)+5)%6 // cyan first, as docker compose
	}
}

// name is what a container's lines begin with: its own without the project's.
func (p *printer) name(c *container.Container) string {
	return strings.TrimPrefix(c.Name, c.Labels["com.docker.compose.project"]+"-")
}

// line prints a line of the printer's own.
func (p *printer) line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.s.Stdout, text)
}

// follow prints the log of a container.
func (p *printer) follow(ctx context.Context, cs *container.Store, c *container.Container, o logChoice) error {
	if d := c.Life.LogDriver; d == logfile.None || d == logfile.Journald {
		p.s.warn(fmt.Sprintf("container %s: the logging driver %s does not support reading", c.Name, d))
		return nil
	}
	p.add(c)
	rest := map[string][]byte{} // the beginning of a line, of each stream
	err := client.Logs(ctx, cs, c, logfile.Options{Follow: o.follow, Tail: o.tail, Since: o.since, Until: o.until}, func(entry logfile.Entry) error {
		text := append(rest[entry.Stream], entry.Text...)
		end := bytes.LastIndexByte(text, '\n')
		rest[entry.Stream] = bytes.Clone(text[end+1:])
		return p.print(c, entry, text[:end+1])
	})
	for stream, text := range rest {
		if len(text) > 0 {
			_ = p.print(c, logfile.Entry{Stream: stream}, append(text, '\n'))
		}
	}
	return err
}

func (p *printer) print(c *container.Container, entry logfile.Entry, text []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if entry.Time != "" {
		p.last[c.ID] = entry.Time
	}
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		if !p.bare {
			p.prefix(&b, c)
		}
		if p.stamps {
			b.WriteString(entry.Time + " ")
		}
		b.Write(line)
	}
	if entry.Stream == "stderr" {
		_, err := p.s.Stderr.Write(b.Bytes())
		return err
	}
	_, err := p.s.Stdout.Write(b.Bytes())
	return err
}

func (p *printer) prefix(b *bytes.Buffer, c *container.Container) {
	text := fmt.Sprintf("%-*s  | ", p.width, p.name(c))
	if color := p.colors[c.ID]; p.color {
		text = fmt.Sprintf("\x1b[%dm%s\x1b[0m", color, text)
	}
	b.WriteString(text)
}

func join(names []string) string { return strings.Join(names, ", ") }
