// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/container/logfile"
)

// setLife takes what happens around the process.
func setLife(e *env, c *cli.Context, r *container.Record, imageSignal string) (err error) {
	l := &r.Life
	l.AutoRemove, l.Init = c.Bool("rm"), c.Bool("init")
	if l.Restart, err = container.ParseRestart(c.String("restart")); err != nil {
		return err
	}
	if l.AutoRemove && l.Restart.Name != "no" {
		return cliErrorf("conflicting options: cannot specify both --restart and --rm")
	}
	l.StopSignal = imageSignal
	if s := c.String("stop-signal"); s != "" {
		if _, err := container.ParseSignal(s); err != nil {
			return err
		}
		l.StopSignal = s
	}
	if c.IsSet("stop-timeout") {
		n := c.Int("stop-timeout")
		l.StopTimeout = &n
	}
	if r.Annotations, err = annotations(c.StringSlice("annotation")); err != nil {
		return err
	}
	return setLog(e, c, r)
}

// annotations are words for whoever reads the runtime's configuration.
func annotations(list []string) (map[string]string, error) {
	var all map[string]string
	for _, kv := range list {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, cliErrorf("invalid annotation %q: must be formatted as KEY=VALUE", kv)
		}
		if all == nil {
			all = map[string]string{}
		}
		all[k] = v
	}
	return all, nil
}

// setLog takes --log-driver and --log-opt.
func setLog(e *env, c *cli.Context, r *container.Record) error {
	l := &r.Life
	if l.LogDriver = c.String("log-driver"); l.LogDriver == "" {
		l.LogDriver = "json-file"
	}
	opts := map[string]string{}
	for _, kv := range c.StringSlice("log-opt") {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return cliErrorf("invalid logging opts: %q: must be formatted as KEY=VALUE", kv)
		}
		opts[k] = v
	}
	if l.LogDriver == "none" && len(opts) > 0 {
		return cliErrorf("invalid logging opts for driver none")
	}
	if err := logfile.Check(l.LogDriver, opts); err != nil {
		return err
	}
	if opts["compress"] == "true" {
		e.warn("log opt compress has no effect: rotated files are kept as they are")
	}
	if opts["mode"] == "non-blocking" || opts["max-buffer-size"] != "" {
		e.warn("log opts mode and max-buffer-size have no effect: every line is written as it comes")
	}
	if len(opts) > 0 {
		l.LogOpts = opts
	}
	return nil
}
