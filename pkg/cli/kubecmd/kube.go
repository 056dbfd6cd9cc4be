// SPDX-License-Identifier: Apache-2.0

package kubecmd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/imagecmd"
	"coracle/pkg/compose/kube"
	"coracle/pkg/docker"
)

// Kube is the group kube.
func Kube(e *command.Env) *cli.Command {
	group := &cli.Command{Name: "kube", Usage: "Hand containers over to Kubernetes", Subcommands: []*cli.Command{{
		Name: "generate", Usage: "Write a pod of containers as Kubernetes' YAML", ArgsUsage: "CONTAINER [CONTAINER...]",
		Flags: []cli.Flag{
			flags.Text("filename", flags.Short("f"), "Write to a file that is not there yet (default to stdout)"),
			&cli.IntFlag{Name: "replicas", Aliases: flags.Short("r"), Value: 1, Usage: "How many pods a deployment has"},
			flags.Bool("service", flags.Short("s"), "Write a Service of type NodePort, too, with the ports of the containers"),
			&cli.StringFlag{Name: "type", Aliases: flags.Short("t"), Value: "pod", Usage: "What makes the pod. Values: [pod | deployment | daemonset | job]"},
		},
		Action: command.Takes(e, 1, -1, runGenerate),
	}}}
	for _, name := range []string{"apply", "down", "play"} {
		group.Subcommands = append(group.Subcommands, &cli.Command{
			Name: name, Usage: flags.NotSupported + ": Kubernetes' files are not read", Hidden: true, SkipFlagParsing: true,
			Action: func(*cli.Context) error {
				return command.ExitWith(125, command.Errorf("%s: '%s kube %s' is not supported: Kubernetes' files are written here, and not read: a Compose file can be both", e.Program, e.Program, name))
			},
		})
	}
	return group
}

func runGenerate(e *command.Env, c *cli.Context) error {
	kind := map[string]string{"pod": kube.Pod, "deployment": kube.Deployment, "daemonset": kube.DaemonSet, "job": kube.Job}[c.String("type")]
	if kind == "" {
		return command.Errorf("invalid generation type %q: there are pod, deployment, daemonset and job", c.String("type"))
	}
	o := kube.Options{Kind: kind, What: "container", Services: c.Bool("service"), ReadFile: command.ReadRegular}
	if c.IsSet("replicas") {
		n := c.Int("replicas")
		if kind != kube.Deployment || n < 0 {
			return command.Errorf("--replicas is a number of pods, with --type deployment")
		}
		o.Replicas = &n
	}
	list, err := running(e, c)
	if err != nil {
		return err
	}
	p, err := kube.Containers(list)
	if err != nil {
		return command.Errorf("%v", err)
	}
	for _, r := range list {
		o.Together = append(o.Together, strings.TrimPrefix(r.Name, "/"))
	}
	result, err := kube.Project(p, o)
	if err != nil {
		return command.Errorf("%v", err)
	}
	for _, n := range result.Notes {
		fmt.Fprintln(e.Stderr, n)
	}
	var text bytes.Buffer
	if err := result.Write(&text, fmt.Sprintf("By %s kube generate of %s", e.Program, strings.Join(o.Together, ", "))); err != nil {
		return err
	}
	return write(e, c.String("filename"), text.Bytes())
}

// running are the containers that are named, and what their images say.
func running(e *command.Env, c *cli.Context) (list []kube.Running, err error) {
	for _, arg := range c.Args().Slice() {
		ctr, err := containercmd.Inspect(c.Context, e, arg, false)
		if err != nil {
			return nil, err
		}
		r := kube.Running{Container: ctr}
		img, err := imagecmd.Inspect(e, ctr.Image)
		switch {
		case err == nil:
			r.Image = img.Config
		case docker.KindOf(err) != docker.NotFound:
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// write writes to a new file, as podman does: what is there may have been changed by
// hand.
func write(e *command.Env, file string, text []byte) error {
	if file == "" {
		_, err := e.Stdout.Write(text)
		return err
	}
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return command.Errorf("cannot write to %q: %v", file, err)
	}
	return command.WriteFile(e, file, text)
}
