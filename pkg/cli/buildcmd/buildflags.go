// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
	"coracle/pkg/dockerfile"
	"coracle/pkg/oci"
)

func buildFlags() []cli.Flag {
	return []cli.Flag{
		flags.List("add-host", nil, "Add a custom host-to-IP mapping (host:ip)"),
		flags.List("build-arg", nil, "Set build-time variables"),
		flags.List("build-context", nil, "Additional build contexts (name=path, name=docker-image://image)"),
		flags.Text("call", nil, "Set method for evaluating build: build, outline, targets, graph"),
		flags.Text("file", flags.Short("f"), "Name of the Dockerfile (default: \"PATH/Dockerfile\")"),
		flags.Text("iidfile", nil, "Write the image ID to a file"),
		flags.List("label", nil, "Set metadata for an image"),
		flags.Text("metadata-file", nil, "Write build result metadata to a file"),
		flags.Text("network", nil, "Set the networking mode for the RUN instructions: default, none or host"),
		flags.Bool("no-cache", nil, "Do not use cache when building the image"),
		flags.List("no-cache-filter", nil, "Do not cache specified stages"),
		flags.List("output", flags.Short("o"), "Output destination: type=local,dest=DIR, type=tar|docker|oci,dest=FILE, type=image|registry, DIR or -"),
		flags.Platform("Set target platform for build"),
		&cli.StringFlag{Name: "progress", Usage: "Set type of progress output (auto, plain, tty, quiet)", EnvVars: []string{"BUILDKIT_PROGRESS"}},
		flags.Bool("pull", nil, "Always attempt to pull all referenced images"),
		flags.Bool("push", nil, "Shorthand for \"--output=type=registry\""),
		flags.Bool("quiet", flags.Short("q"), "Suppress the build output and print image ID on success"),
		flags.List("secret", nil, "Secret to expose to the build (id=mysecret[,src=/local/secret])"),
		flags.Text("shm-size", nil, "Shared memory size for build containers"),
		flags.List("tag", flags.Short("t"), "Name and optionally a tag (format: \"name:tag\")"),
		flags.Text("target", nil, "Set the target build stage to build"),
		flags.List("ulimit", nil, "Ulimit options"),
	}
}

// idleBuildFlags are options that change nothing here, or that are refused.
func idleBuildFlags() []cli.Flag {
	list := []cli.Flag{
		flags.Bool("debug", flags.Short("D"), "Accepted for scripts"),
		&cli.BoolFlag{Name: "disable-content-trust", Usage: "Accepted for scripts", Value: true, Hidden: true},
		flags.Bool("force-rm", nil, "Accepted for scripts: nothing is left behind"),
		flags.Bool("load", nil, "Accepted for scripts: images are always in the store"),
		&cli.BoolFlag{Name: "rm", Usage: "Accepted for scripts: nothing is left behind", Value: true},
		flags.Text("builder", nil, "Override the configured builder instance: default"),
		flags.Bool("check", nil, "Not supported: checks of the Dockerfile"),
		flags.Text("userns", nil, "Not supported: other owners in a build than the image's"),
		flags.Text("isolation", nil, "Container isolation technology: default"),
		flags.List("ssh", nil, "Not supported: SSH agents in a build"),
		flags.List("allow", nil, "Accepted for scripts: RUN --network=host needs no leave, --security=insecure is refused"),
	}
	for _, f := range idleBuild {
		if f.list {
			list = append(list, flags.List(f.name, f.short, "Accepted for scripts: "+f.why))
			continue
		}
		list = append(list, quietly(f.name, f.short, "Accepted for scripts: "+f.why))
	}
	return list
}

// quietly is a text flag that may also stand without a value, as --squash.
func quietly(name string, aliases []string, usage string) cli.Flag {
	switch name {
	case "compress", "squash":
		return flags.Bool(name, aliases, usage)
	}
	return flags.Text(name, aliases, usage)
}

// idleBuild are Docker's options that change nothing in what is built here.
var idleBuild = []struct {
	name  string
	short []string
	list  bool
	why   string
}{
	{"annotation", nil, true, "images in the store have no annotations"},
	{"attest", nil, true, "no attestations are made"},
	{"cache-from", nil, true, "the build cache is the store's own"},
	{"cache-to", nil, true, "the build cache is the store's own"},
	{"cgroup-parent", nil, false, "commands of a build have no limits"},
	{"compress", nil, false, "the context is not sent anywhere"},
	{"cpu-period", nil, false, "commands of a build have no limits"},
	{"cpu-quota", nil, false, "commands of a build have no limits"},
	{"cpu-shares", flags.Short("c"), false, "commands of a build have no limits"},
	{"cpuset-cpus", nil, false, "commands of a build have no limits"},
	{"cpuset-mems", nil, false, "commands of a build have no limits"},
	{"memory", flags.Short("m"), false, "commands of a build have no limits"},
	{"memory-swap", nil, false, "commands of a build have no limits"},
	{"provenance", nil, false, "no attestations are made"},
	{"sbom", nil, false, "no attestations are made"},
	{"security-opt", nil, true, "commands of a build are confined as ever"},
	{"squash", nil, false, "layers stay as they are"},
}

// warnIdleBuild says which of the options have no effect. To be told not to do
// what is never done is none.
func warnIdleBuild(e *command.Env, c *cli.Context) {
	for _, f := range idleBuild {
		if !c.IsSet(f.name) || !f.list && off(c.String(f.name)) {
			continue
		}
		e.Warn("--%s has no effect: %s", f.name, f.why)
	}
}

func off(v string) bool {
	on, err := strconv.ParseBool(v)
	return err == nil && !on
}

// checkRefusedBuild refuses what cannot be given.
func checkRefusedBuild(c *cli.Context) error {
	if v := c.String("builder"); v != "" && v != "default" {
		return command.Errorf("no builder %q found", v)
	}
	switch v := c.String("call"); v {
	case "", "build", callTargets, callOutline, callGraph:
	default:
		return docker.Unsupported("call="+v, "a Dockerfile is built or described: build, targets, outline, graph", "")
	}
	if c.Bool("check") {
		return docker.Unsupported("check", "a Dockerfile is built, not judged", "")
	}
	if len(c.StringSlice("ssh")) > 0 {
		return docker.Unsupported("ssh", "there is no SSH agent in a build", "give a key by --secret, and RUN --mount=type=secret")
	}
	if v := c.String("userns"); v != "" && v != "host" && v != "private" {
		return docker.Unsupported("userns="+v, "an image has the same owners whoever builds it", "run it with --userns="+v+"; RUN has its user by USER")
	}
	if v := c.String("isolation"); v != "" && !strings.EqualFold(v, "default") {
		return fmt.Errorf("invalid isolation '%s' on linux", v)
	}
	if v := c.String("platform"); strings.Contains(v, ",") {
		return &docker.Refusal{Kind: docker.NotSupported, Message: "--platform " + v + ": an image here has one platform", Remedy: "build one after the other, each with a tag of its own"}
	}
	for _, v := range c.StringSlice("allow") {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "network.host", "fs", "fs.read", "fs.write":
		default:
			return docker.Unsupported("allow "+v, "no command of a build may have that", "")
		}
	}
	return nil
}

// buildContexts reads NAME=DIR and NAME=docker-image://IMAGE.
func buildContexts(list []string) (map[string]dockerfile.Context, error) {
	contexts := map[string]dockerfile.Context{}
	for _, v := range list {
		name, source, ok := strings.Cut(v, "=")
		if !ok || name == "" || source == "" {
			return nil, command.Errorf("invalid context value: %s, expected key=value", v)
		}
		name = strings.ToLower(name)
		if image, ok := strings.CutPrefix(source, "docker-image://"); ok {
			if _, err := oci.ParseRef(image); err != nil {
				return nil, err
			}
			contexts[name] = dockerfile.Context{Image: image}
			continue
		}
		if strings.Contains(source, "://") || strings.HasPrefix(source, "git@") || source == "-" {
			return nil, command.Errorf("--build-context %s: only directories and docker-image:// are supported", name)
		}
		info, err := os.Stat(source)
		if err != nil || !info.IsDir() {
			return nil, command.Errorf("failed to get build context %s: %s is not a directory", name, source)
		}
		dir, err := filepath.Abs(source)
		if err != nil {
			return nil, err
		}
		contexts[name] = dockerfile.Context{Dir: dir}
	}
	return contexts, nil
}
