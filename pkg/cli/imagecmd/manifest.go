// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
	"coracle/pkg/oci"
	"coracle/pkg/oci/registry"
)

// Manifest is the command manifest: manage Docker image manifests and manifest lists.
func Manifest(e *command.Env) *cli.Command {
	group := &cli.Command{Name: "manifest", Usage: "Manage Docker image manifests and manifest lists", Subcommands: []*cli.Command{manifestInspectCommand(e)}}
	for _, name := range []string{"annotate", "create", "push", "rm"} {
		group.Subcommands = append(group.Subcommands, &cli.Command{
			Name: name, Usage: flags.NotSupported + ": lists of manifests are not made here", Hidden: true, SkipFlagParsing: true,
			Action: func(*cli.Context) error {
				return command.ExitWith(125, command.Errorf("%s: '%s manifest %s' is not supported: lists of manifests are not made here, only read", e.Program, e.Program, name))
			},
		})
	}
	return group
}

func manifestInspectCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Display an image manifest, or manifest list", ArgsUsage: "[MANIFEST_LIST] MANIFEST",
		Flags: []cli.Flag{
			flags.Bool("insecure", nil, flags.NotSupported+": registries.conf says which registries are"),
			flags.Bool("verbose", flags.Short("v"), "Output additional info including layers and platform"),
		},
		Action: command.Takes(e, 1, 2, func(e *command.Env, c *cli.Context) error {
			if c.Bool("insecure") {
				return docker.Unsupported("insecure", "how a registry is spoken to is said in one place", "name the registry in registries.conf with insecure = true")
			}
			if c.NArg() == 2 {
				return command.Errorf("No such manifest: %s", c.Args().Get(1)) // there are no local lists
			}
			return inspectManifest(e, c)
		}),
	}
}

func inspectManifest(e *command.Env, c *cli.Context) error {
	ref, err := oci.ParseRef(c.Args().First())
	if err != nil {
		return err
	}
	reg, err := registry.New(command.Access(e))
	if err != nil {
		return err
	}
	repo, err := reg.Repository(ref.Domain(), ref.Path(), registry.Pull)
	if err != nil {
		return err
	}
	want := ref.Digest()
	if want == "" {
		want = ref.Tag()
	}
	m, err := repo.Manifest(c.Context, want)
	if err != nil {
		return err
	}
	if !c.Bool("verbose") {
		return printRaw(e, m.Body)
	}
	shown, err := verboseManifests(e, c, repo, ref, m)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(shown, "", "\t")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.Stdout, "%s\n", data)
	return err
}

// printRaw shows what a registry sent, indented: its text is its own, and is
// kept from steering the terminal by the escapes of JSON.
func printRaw(e *command.Env, body []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "\t"); err != nil {
		return fmt.Errorf("parse manifest: %w", err)
	}
	_, err := fmt.Fprintf(e.Stdout, "%s\n", b.String())
	return err
}

// verboseManifests is an object for each image that the manifest names.
func verboseManifests(e *command.Env, c *cli.Context, repo *registry.Repository, ref oci.Ref, m registry.Manifest) (any, error) {
	var doc struct {
		Manifests []struct {
			MediaType string          `json:"mediaType"`
			Digest    string          `json:"digest"`
			Size      int64           `json:"size"`
			Platform  json.RawMessage `json:"platform,omitempty"`
		} `json:"manifests"`
	}
	if err := json.Unmarshal(m.Body, &doc); err != nil {
		return nil, fmt.Errorf("parse manifest: %w", err)
	}
	one := func(m registry.Manifest, platform json.RawMessage) map[string]any {
		d := map[string]any{"mediaType": m.MediaType, "digest": m.Digest.String(), "size": len(m.Body)}
		if len(platform) > 0 {
			d["platform"] = platform
		}
		key := "SchemaV2Manifest"
		if m.MediaType != registry.DockerManifest {
			key = "OCIManifest"
		}
		return map[string]any{"Ref": ref.Name(), "Descriptor": d, key: json.RawMessage(m.Body)}
	}
	if doc.Manifests == nil {
		return one(m, nil), nil
	}
	list := []map[string]any{}
	for _, d := range doc.Manifests {
		each, err := repo.Manifest(c.Context, d.Digest)
		if err != nil {
			return nil, err
		}
		list = append(list, one(each, d.Platform))
	}
	return list, nil
}
