// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/compose"
	"coracle/pkg/docker"
)

func events(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "events", Usage: "Receive real time events from containers", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			flags.Bool("json", nil, "Output events as a stream of json objects"),
			flags.Text("since", nil, "Show all events created since timestamp"),
			flags.Text("until", nil, "Stream events until this timestamp"),
		},
		Action: verb(e, 0, -1, runEvents),
	}
}

func runEvents(ctx context.Context, s *session) error {
	_, has, services, err := s.observed(ctx)
	if err != nil {
		return err
	}
	span, err := docker.EventSpan(s.c.String("since"), s.c.String("until"))
	if err != nil {
		return err
	}
	show := s.printEvent
	if s.c.Bool("json") {
		show = s.printEventJSON
	}
	return compose.Events(ctx, s.engine, has.Project, services, span, show)
}

func (s *session) printEvent(h compose.Happened) error {
	var attributes []string
	for _, k := range slices.Sorted(maps.Keys(h.Attributes)) {
		attributes = append(attributes, formatter.Clean(k+"="+h.Attributes[k]))
	}
	_, err := fmt.Fprintf(s.Stdout, "%s container %s %s (%s)\n", h.Time.Format("2006-01-02 15:04:05.000000"), formatter.Clean(h.Action), h.ID, strings.Join(attributes, ", "))
	return err
}

func (s *session) printEventJSON(h compose.Happened) error {
	line, err := json.Marshal(map[string]any{
		"time": h.Time, "type": "container", "service": h.Service, "id": h.ID, "action": h.Action, "attributes": h.Attributes,
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "%s\n", line)
	return err
}
