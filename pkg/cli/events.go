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

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/formatter"
	"coracle/pkg/events"
	"coracle/pkg/oci"
)

// event writes down what happened to an object that is not a container.
func event(e *env, kind, action, id, name string) {
	attributes := map[string]string{"name": name}
	if kind == events.Network {
		attributes["type"] = "bridge"
	}
	_ = events.Append(e.dirs.Root, events.New(kind, action, id, attributes))
}

// tagged writes down that an image has got names.
func tagged(e *env, id string, names []string) {
	for _, n := range names {
		event(e, events.Image, "tag", "sha256:"+id, oci.Familiar(n))
	}
}

func eventsCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "events", Usage: "Get real time events from the server",
		Flags: []cli.Flag{
			flags.List("filter", flags.Short("f"), "Filter output based on conditions provided"),
			flags.Text("format", nil, "Format output using a custom template: 'json', or a Go template"),
			flags.Text("since", nil, "Show all events created since timestamp"),
			flags.Text("until", nil, "Stream events until this timestamp"),
		},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 0, 0); err != nil {
				return err
			}
			return runEvents(e, c)
		},
	}
}

func runEvents(e *env, c *cli.Context) error {
	d, err := e.open()
	if err != nil {
		return err
	}
	f, err := parseFilters(c.StringSlice("filter"), "config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope",
		"secret", "service", "type", "volume")
	if err != nil {
		return err
	}
	show, err := eventPrinter(e, c.String("format"))
	if err != nil {
		return err
	}
	var o events.Options
	if o.Since, err = parseMoment(c.String("since")); err != nil {
		return &cliError{err.Error()}
	}
	if o.Until, err = parseMoment(c.String("until")); err != nil {
		return &cliError{err.Error()}
	}
	o.Past = !o.Since.IsZero() || !o.Until.IsZero() && o.Until.Before(time.Now())
	o.Follow = o.Until.IsZero() || o.Until.After(time.Now())
	return events.Read(c.Context, d.Root, o, func(ev events.Event) error {
		if !eventMatches(f, ev) {
			return nil
		}
		return show(ev)
	})
}

// eventMatches reports whether an event is asked for.
func eventMatches(f filters, ev events.Event) bool {
	a := ev.Actor
	about := func(kind string, names ...string) func(string) bool {
		return func(v string) bool {
			return ev.Type == kind && slices.ContainsFunc(names, func(n string) bool {
				return n != "" && (n == v || n == ev.Actor.ID && strings.HasPrefix(n, v))
			})
		}
	}
	return f.any("type", func(v string) bool { return v == ev.Type }) &&
		f.any("event", func(v string) bool { return v == ev.Action || strings.HasPrefix(ev.Action, v+":") }) &&
		f.any("scope", func(v string) bool { return v == ev.Scope }) &&
		f.any("container", func(v string) bool {
			return about(events.Container, a.ID, a.Attributes["name"])(strings.TrimPrefix(v, "/"))
		}) &&
		f.any("image", func(v string) bool {
			return about(events.Image, a.ID, a.Attributes["name"])(v) ||
				ev.Type == events.Container && (ev.From == v || strings.HasPrefix(ev.From, v+":"))
		}) &&
		f.any("volume", about(events.Volume, a.ID)) &&
		f.any("network", about(events.Network, a.ID, a.Attributes["name"])) &&
		// What there is only with a daemon, or in a cluster, has no events.
		!slices.ContainsFunc([]string{"config", "daemon", "node", "plugin", "secret", "service"}, func(k string) bool { return len(f[k]) > 0 }) &&
		f.labels(a.Attributes)
}

// eventPrinter returns what prints one event.
func eventPrinter(e *env, format string) (func(events.Event) error, error) {
	if format == "" {
		return func(ev events.Event) error {
			_, err := fmt.Fprintln(e.stdout, eventLine(ev))
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
		return nil, &exitError{64, cliErrorf("Error parsing format: %v", err)}
	}
	return func(ev events.Event) error {
		var b strings.Builder
		if err := t.Execute(&b, ev); err != nil {
			return &cliError{err.Error()}
		}
		_, err := fmt.Fprintln(e.stdout, b.String())
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
