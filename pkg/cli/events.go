// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
	"coracle/pkg/events"
)

func eventsCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "events", Usage: "Get real time events from the server",
		Flags: []cli.Flag{
			flags.List("filter", flags.Short("f"), "Filter output based on conditions provided"),
			flags.Text("format", nil, "Format output using a custom template: 'json', or a Go template"),
			flags.Text("since", nil, "Show all events created since timestamp"),
			flags.Text("until", nil, "Stream events until this timestamp"),
		},
		Action: command.Takes(e, 0, 0, runEvents),
	}
}

func runEvents(e *command.Env, c *cli.Context) error {
	d, err := e.Open()
	if err != nil {
		return err
	}
	f, err := docker.EventFilters(c.StringSlice("filter"))
	if err != nil {
		return err
	}
	show, err := eventPrinter(e, c.String("format"))
	if err != nil {
		return err
	}
	o, err := docker.EventSpan(c.String("since"), c.String("until"))
	if err != nil {
		return command.Errorf("%v", err)
	}
	return events.Read(c.Context, d.Root, o, func(ev events.Event) error {
		if !f.MatchEvent(ev) {
			return nil
		}
		return show(ev)
	})
}

// eventPrinter returns what prints one event.
func eventPrinter(e *command.Env, format string) (func(events.Event) error, error) {
	if format == "" {
		return func(ev events.Event) error {
			_, err := fmt.Fprintln(e.Stdout, eventLine(ev))
			return err
		}, nil
	}
	t, err := formatter.ParseObject(format)
	if err == nil {
		err = t.Execute(io.Discard, events.Event{})
	}
	var bad *formatter.Error
	if errors.As(err, &bad) {
		err = bad.Unwrap()
	}
	if err != nil {
		return nil, command.ExitWith(64, command.Errorf("Error parsing format: %v", err))
	}
	return func(ev events.Event) error {
		var b strings.Builder
		if err := t.Execute(&b, ev); err != nil {
			return command.Errorf("%v", err)
		}
		_, err := fmt.Fprintln(e.Stdout, b.String())
		return err
	}, nil
}

// eventLine is Docker's line for an event.
func eventLine(ev events.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %s", time.Unix(0, ev.TimeNano).Format("2006-01-02T15:04:05.000000000Z07:00"), ev.Type, formatter.Clean(ev.Action), ev.Actor.ID)
	for i, k := range slices.Sorted(maps.Keys(ev.Actor.Attributes)) {
		sep := ", "
		if i == 0 {
			sep = " ("
		}
		b.WriteString(sep + formatter.Clean(k) + "=" + formatter.Clean(ev.Actor.Attributes[k]))
	}
	if len(ev.Actor.Attributes) > 0 {
		b.WriteString(")")
	}
	return b.String()
}
