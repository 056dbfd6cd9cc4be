// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"
)

// warn says something once that the user may not expect, and goes on.
func (e *env) warn(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if slices.Contains(e.warned, message) {
		return
	}
	e.warned = append(e.warned, message)
	fmt.Fprintln(e.stderr, "WARNING: "+message)
}

// refusedFlags are the options of run and create that coracle cannot give, or
// that change nothing here.
func refusedFlags() []cli.Flag {
	return []cli.Flag{
		flags.List("device-cgroup-rule", nil, "Not supported: device rules need root"),
		flags.Bool("disable-content-trust", nil, "Accepted for scripts: there is no content trust to skip"),
		flags.Text("gpus", nil, "Not supported: give devices by --device"),
		flags.Text("isolation", nil, "Container isolation technology: default"),
		flags.List("link", nil, "Not supported: use a network with a name"),
		flags.Text("runtime", nil, "Accepted for scripts: coracle runs containers by itself"),
		flags.List("storage-opt", nil, "Not supported: quotas need root"),
		flags.Bool("use-api-socket", nil, "Not supported: there is no API socket"),
		flags.Text("volume-driver", nil, "Volume driver for the container: local"),
	}
}

// refusal says why a flag cannot be honoured.
type refusal struct{ flag, why, hint string }

func (r *refusal) Error() string { return "--" + r.flag + " is not supported: " + r.why }

// Hint is what to do instead.
func (r *refusal) Hint() string { return r.hint }

// needsRoot are the flags that no unprivileged user can be given.
var needsRoot = []refusal{
	{"device-cgroup-rule", "only root may set rules for devices", "a device that you may open yourself is given by --device"},
	{"link", "links were replaced by names on networks", "coracle network create NET, then --network NET for both containers"},
	{"use-api-socket", "there is no daemon and no socket", ""},
}

// checkRefused refuses what cannot be given, and says what has no effect.
func checkRefused(e *env, c *cli.Context) error {
	for i := range needsRoot {
		if c.IsSet(needsRoot[i].flag) && c.String(needsRoot[i].flag) != "false" {
			return &needsRoot[i]
		}
	}
	if v := c.String("gpus"); v != "" {
		return &hinted{fmt.Errorf("could not select device driver %q with capabilities: [[gpu]]", ""),
			"give the devices by name: --device /dev/dri, or --device /dev/nvidia0 and the driver's libraries with -v"}
	}
	if len(c.StringSlice("storage-opt")) > 0 {
		return fmt.Errorf("--storage-opt is supported only for overlay over xfs with 'pquota' mount option, which takes root")
	}
	if v := c.String("volume-driver"); v != "" && v != "local" {
		return noDriver(v)
	}
	if v := c.String("isolation"); v != "" && !strings.EqualFold(v, "default") {
		return fmt.Errorf("invalid isolation '%s' on linux", v)
	}
	switch v := c.String("runtime"); v {
	case "":
	case "runc", "crun", "io.containerd.runc.v2", "coracle":
		e.warn("--runtime %s has no effect: coracle runs containers by itself", v)
	default:
		return fmt.Errorf("unknown or invalid runtime name: %s", v)
	}
	if c.IsSet("disable-content-trust") {
		e.warn("--disable-content-trust has no effect: there is no content trust to skip")
	}
	return nil
}

func noDriver(name string) error {
	return fmt.Errorf("error looking up volume plugin %s: plugin %q not found", name, name)
}

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }
