// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

var imageColumns = []column{{"REPOSITORY", "Repository"}, {"TAG", "Tag"}, {"IMAGE ID", "ID"}, {"CREATED", "CreatedSince"}, {"SIZE", "Size"}}

func imagesCommand(e *env, name string, aliases ...string) *cli.Command {
	return &cli.Command{
		Name: name, Aliases: aliases, Usage: "List images", ArgsUsage: "[REPOSITORY[:TAG]]",
		Flags: []cli.Flag{
			flag("all", short("a"), "Show all images (default hides dangling images)"),
			flag("digests", nil, "Show digests"),
			values("filter", short("f"), "Filter output based on conditions provided"),
			text("format", nil, "Format output: table, json, or a Go template"),
			flag("no-trunc", nil, "Don't truncate output"),
			flag("quiet", short("q"), "Only show image IDs"),
			flag("tree", nil, "List multi-platform images as a tree (EXPERIMENTAL)"),
		},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 0, 1); err != nil {
				return err
			}
			return e.runImages(c)
		},
	}
}

func (e *env) runImages(c *cli.Context) error {
	ix, err := e.index()
	if err != nil {
		return err
	}
	f, err := parseFilters(c.StringSlice("filter"), "dangling", "label", "before", "since", "reference")
	if err != nil {
		return err
	}
	if arg := c.Args().First(); arg != "" {
		f["reference"] = append(f["reference"], arg)
	}
	images, err := filterImages(ix, f)
	if err != nil {
		return err
	}
	if c.Bool("tree") {
		return e.imageTree(c, images, f)
	}
	var rows []row
	for _, img := range images {
		rows = append(rows, imageRows(img, f, c.Bool("all") || len(f["dangling"]) > 0, c.Bool("no-trunc"))...)
	}
	if len(rows) == 0 && c.Args().First() == "ls" {
		fmt.Fprintf(e.stderr, "No images found matching \"ls\": did you mean \"%s image ls\"?\n", e.program)
	}
	if c.Bool("quiet") && c.String("format") == "" {
		seen := ""
		for _, r := range rows {
			if r["ID"] != seen { // an image with two names is one image
				fmt.Fprintln(e.stdout, r["ID"])
			}
			seen = r["ID"]
		}
		return nil
	}
	cols := imageColumns
	if c.Bool("digests") {
		cols = slices.Insert(slices.Clone(cols), 2, column{"DIGEST", "Digest"})
	}
	return e.list(e.format(c, "imagesFormat"), cols, append(slices.Clone(imageColumns), column{"DIGEST", "Digest"}, column{"CREATED AT", "CreatedAt"},
		column{"CONTAINERS", "Containers"}, column{"SHARED SIZE", "SharedSize"}, column{"UNIQUE SIZE", "UniqueSize"}), rows)
}

func filterImages(ix *overlay.Index, f filters) ([]overlay.Image, error) {
	keep := slices.Clone(ix.Images)
	for key, older := range map[string]bool{"before": true, "since": false} {
		for _, arg := range f[key] {
			other, _, err := oci.Lookup(ix, arg)
			if err != nil {
				return nil, err
			}
			keep = slices.DeleteFunc(keep, func(img overlay.Image) bool {
				return older && !img.Created.Before(other.Created) || !older && !img.Created.After(other.Created)
			})
		}
	}
	return slices.DeleteFunc(keep, func(img overlay.Image) bool {
		dangling := len(img.Names) == 0
		return !f.labels(img.Labels) ||
			!f.any("dangling", func(v string) bool { return dangling == (v == "true" || v == "1") })
	}), nil
}

// imageRows is one line for each name; an image without a name has one line,
// where it is asked for.
func imageRows(img overlay.Image, f filters, all, whole bool) []row {
	id := img.ID[:12]
	if whole {
		id = "sha256:" + img.ID
	}
	base := row{"ID": id, "CreatedSince": ago(img.Created), "CreatedAt": dockerTime(img.Created), "Size": size(img.Size),
		"Digest": "<none>", "Containers": "N/A", "SharedSize": "N/A", "UniqueSize": "N/A"}
	var rows []row
	for _, name := range img.Names {
		repo, tag := oci.SplitName(name)
		if !f.any("reference", func(p string) bool { return matchReference(p, repo, tag) }) {
			continue
		}
		r := row{"Repository": repo, "Tag": tag}
		for k, v := range base {
			r[k] = v
		}
		for _, d := range img.RepoDigests {
			if dr, dig := oci.SplitName(d); dr == repo {
				r["Digest"] = dig
			}
		}
		rows = append(rows, r)
	}
	if len(img.Names) == 0 && all && len(f["reference"]) == 0 {
		base["Repository"], base["Tag"] = "<none>", "<none>"
		rows = append(rows, base)
	}
	return rows
}

// matchReference compares a pattern with a repository, or with both parts.
func matchReference(pattern, repo, tag string) bool {
	for _, name := range []string{repo, repo + ":" + tag} {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	if ref, err := oci.ParseRef(pattern); err == nil && strings.Contains(path.Base(pattern), ":") {
		return ref.Familiar() == repo+":"+tag
	}
	return false
}

func rawConfig(d overlay.Details) (any, error) {
	var whole struct {
		Config json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(d.Config, &whole); err != nil {
		return nil, err
	}
	return whole.Config, nil
}

func tagCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "tag", Usage: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", ArgsUsage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 2, 2); err != nil {
				return err
			}
			ref, err := oci.ParseRef(c.Args().Get(1))
			if err != nil {
				return cliErrorf("error parsing reference: %q is not a valid repository/tag: %v", c.Args().Get(1), err)
			}
			if ref.Digest() != "" {
				return errors.New("refusing to create a tag with a digest reference")
			}
			img, _, err := e.image(c.Args().First())
			if err != nil {
				return err
			}
			return e.inside(func(st *overlay.Store) error {
				if err := st.Tag(c.Context, img.ID, ref.Name()); err != nil {
					return err
				}
				e.event(events.Image, "tag", "sha256:"+img.ID, ref.Familiar())
				return nil
			})
		},
	}
}

func rmiCommand(e *env, name string, aliases ...string) *cli.Command {
	return &cli.Command{
		Name: name, Aliases: aliases, Usage: "Remove one or more images", ArgsUsage: "IMAGE [IMAGE...]",
		Flags: []cli.Flag{flag("force", short("f"), "Force removal of the image"), flag("no-prune", nil, "Do not delete untagged parents"),
			values("platform", nil, "Remove only the given platform variant: an image here has one")},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 1, -1); err != nil {
				return err
			}
			return e.inside(func(st *overlay.Store) error {
				failed := false
				for _, a := range c.Args().Slice() {
					if err := e.removeImage(c.Context, st, a, c.StringSlice("platform"), c.Bool("force")); err != nil {
						e.say(err)
						failed = true
					}
				}
				if failed {
					return exit(1)
				}
				return nil
			})
		},
	}
}

// removeImage takes one name away, or the whole image when it was the last,
// or when it was asked for by ID.
func (e *env) removeImage(ctx context.Context, st *overlay.Store, arg string, platforms []string, force bool) error {
	img, name, err := e.image(arg)
	if err != nil {
		return err
	}
	if err := checkPlatforms(arg, platforms, img); err != nil {
		return err
	}
	if name != "" && len(img.Names) > 1 && slices.Contains(img.Names, name) {
		if err := st.Untag(ctx, img.ID, name); err != nil {
			return err
		}
		e.untagged(img.ID, name)
		return nil
	}
	if name == "" && !force && moreThanOneRepository(img) {
		return fmt.Errorf("conflict: unable to delete %s (must be forced) - image is referenced in multiple repositories", img.ID[:12])
	}
	running, stopped, err := e.imageUsers(img.ID)
	if err != nil {
		return err
	}
	if running == "" && stopped != "" && force && name != "" {
		// Docker keeps the image for the stopped container, without a name.
		if err := st.Untag(ctx, img.ID, name); err != nil {
			return err
		}
		e.untagged(img.ID, name)
		return nil
	}
	layers, err := st.DeleteImage(ctx, img.ID, func() error { return e.imageConflict(arg, img) })
	if err != nil {
		return err
	}
	for _, n := range img.Names {
		e.untagged(img.ID, n)
	}
	for _, n := range img.RepoDigests {
		fmt.Fprintln(e.stdout, "Untagged: "+oci.Familiar(n))
	}
	fmt.Fprintln(e.stdout, "Deleted: sha256:"+img.ID)
	e.event(events.Image, "delete", "sha256:"+img.ID, "sha256:"+img.ID)
	for _, l := range layers {
		fmt.Fprintln(e.stdout, "Deleted: sha256:"+string(l))
	}
	return nil
}

// untagged tells of a name that an image has lost.
func (e *env) untagged(id, name string) {
	fmt.Fprintln(e.stdout, "Untagged: "+oci.Familiar(name))
	e.event(events.Image, "untag", "sha256:"+id, oci.Familiar(name))
}

func moreThanOneRepository(img overlay.Image) bool {
	first := ""
	for _, n := range img.Names {
		repo, _ := oci.SplitName(n)
		if first != "" && repo != first {
			return true
		}
		first = repo
	}
	return false
}

// imageConflict says which container keeps an image from being deleted.
func (e *env) imageConflict(arg string, img overlay.Image) error {
	running, stopped, err := e.imageUsers(img.ID)
	if err != nil {
		return err
	}
	shown := arg
	if ref, err := oci.ParseRef(arg); err == nil && slices.Contains(img.Names, ref.Name()) {
		shown = ref.Familiar()
	}
	switch {
	case running != "":
		return fmt.Errorf("conflict: unable to delete %s (cannot be forced) - image is being used by running container %s", shown, running)
	case stopped != "":
		return fmt.Errorf("conflict: unable to delete %s (must be forced) - image is being used by stopped container %s", shown, stopped)
	}
	return nil
}

// imageUsers returns a running and a stopped container of the image.
func (e *env) imageUsers(id string) (running, stopped string, err error) {
	cs, err := e.containers()
	if err != nil {
		return "", "", err
	}
	list, err := cs.List()
	if err != nil {
		return "", "", err
	}
	for _, c := range list {
		if !usesImage(c, id) {
			continue
		}
		if c.State.IsRunning() {
			running = c.ID[:12]
		} else {
			stopped = c.ID[:12]
		}
	}
	return running, stopped, nil
}

func historyCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "Show the history of an image", ArgsUsage: "IMAGE",
		Flags: []cli.Flag{
			text("format", nil, "Format output"), &cli.BoolFlag{Name: "human", Aliases: short("H"), Value: true, Usage: "Print sizes and dates in human readable format"},
			flag("no-trunc", nil, "Don't truncate output"), flag("quiet", short("q"), "Only show image IDs"),
			text("platform", nil, "Show history for the given platform: an image here has one"),
		},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 1, 1); err != nil {
				return err
			}
			return e.runHistory(c)
		},
	}
}

func (e *env) runHistory(c *cli.Context) error {
	img, _, err := e.image(c.Args().First())
	if err != nil {
		return err
	}
	if err := checkPlatforms(c.Args().First(), givenPlatform(c), img); err != nil {
		return err
	}
	d, err := overlay.LoadImage(e.dirs, img.ID)
	if err != nil {
		return err
	}
	conf, err := d.OCI()
	if err != nil {
		return err
	}
	var rows []row
	for i := len(conf.History) - 1; i >= 0; i-- {
		h := conf.History[i]
		id := "<missing>"
		if i == len(conf.History)-1 {
			if id = img.ID[:12]; c.Bool("no-trunc") {
				id = "sha256:" + img.ID
			}
		}
		by := clean(h.CreatedBy)
		if r := []rune(by); !c.Bool("no-trunc") && len(r) > 45 {
			by = string(r[:44]) + "…"
		}
		r := row{"ID": id, "CreatedBy": by, "Comment": clean(h.Comment), "Size": "0B", "CreatedSince": "N/A", "CreatedAt": ""}
		if h.Created != nil {
			r["CreatedSince"], r["CreatedAt"] = ago(*h.Created), stamp(*h.Created)
		}
		rows = append(rows, r)
		if c.Bool("quiet") {
			fmt.Fprintln(e.stdout, id)
		}
	}
	if c.Bool("quiet") {
		return nil
	}
	cols := []column{{"IMAGE", "ID"}, {"CREATED", "CreatedSince"}, {"CREATED BY", "CreatedBy"}, {"SIZE", "Size"}, {"COMMENT", "Comment"}}
	return e.list(c.String("format"), cols, append(cols, column{"CREATED AT", "CreatedAt"}), rows)
}

func (e *env) reindex() error {
	return e.inside(func(st *overlay.Store) error { return st.Reindex(context.Background()) })
}
