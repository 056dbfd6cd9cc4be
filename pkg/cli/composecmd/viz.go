// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose/convert"
)

func viz(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "viz", Usage: "Generate a graphviz graph from your compose file",
		Flags: []cli.Flag{
			flags.Bool("image", nil, "Include service's image name in output graph"),
			&cli.IntFlag{Name: "indentation-size", Usage: "Number of tabs or spaces to use for indentation", Value: 1},
			flags.Bool("networks", nil, "Include service's attached networks in output graph"),
			flags.Bool("ports", nil, "Include service's exposed ports in output graph"),
			flags.Bool("spaces", nil, "If given, space character ' ' will be used to indent, otherwise tab character '\\t' will be used"),
		},
		Action: verb(e, 0, 0, runViz),
	}
}

func runViz(ctx context.Context, s *session) error {
	size, indent := s.c.Int("indentation-size"), "\t"
	if size < 0 {
		return fmt.Errorf("invalid indentation size: %d", size)
	}
	if s.c.Bool("spaces") {
		indent = " "
	}
	p, err := s.project(ctx, nil, false)
	if err != nil {
		return err
	}
	g := graph{p: p, indent: strings.Repeat(indent, size), networks: s.c.Bool("networks"), ports: s.c.Bool("ports"), image: s.c.Bool("image")}
	fmt.Fprintln(s.Stdout, g)
	return nil
}

// graph is a project in the language of graphviz.
type graph struct {
	p                      *types.Project
	indent                 string
	networks, ports, image bool
}

func (g graph) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %q {\n%slayout=dot;\n", g.p.Name, g.indent)
	for _, name := range g.p.ServiceNames() {
		fmt.Fprintf(&b, "%s%q [style=\"filled\" label=<%s>];\n", g.indent, name, g.label(g.p.Services[name]))
	}
	b.WriteByte('\n')
	for _, name := range g.p.ServiceNames() {
		for _, to := range slices.Sorted(maps.Keys(g.p.Services[name].DependsOn)) {
			fmt.Fprintf(&b, "%s%q -> %q;\n", g.indent, name, to)
		}
	}
	return b.String() + "}\n"
}

// label is what stands in a service's node, as HTML.
func (g graph) label(s types.ServiceConfig) string {
	text := `<font point-size="15">` + s.Name + "</font>"
	part := func(title string, lines []string) {
		text += `<font point-size="10"><br/><br/><b>` + title + ":</b>"
		for _, l := range lines {
			text += "<br/>" + html.EscapeString(l)
		}
		text += "</font>"
	}
	if g.networks && len(s.Networks) > 0 {
		part("Networks", s.NetworksByPriority())
	}
	if g.ports && len(s.Ports) > 0 {
		var lines []string
		for _, p := range s.Ports {
			line := fmt.Sprintf("%s:%d (%s, %s)", p.Published, p.Target, p.Protocol, p.Mode)
			if p.HostIP != "" {
				line = p.HostIP + ":" + line
			}
			lines = append(lines, line)
		}
		part("Ports", lines)
	}
	if g.image {
		part("Image", []string{convert.ImageName(g.p, s)})
	}
	return text
}
