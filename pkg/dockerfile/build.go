// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/overlay"
)

// Options say what to build.
type Options struct {
	ContextDir string    // empty without a context
	Dockerfile string    // a path on the host; the name that is shown with Source
	Source     io.Reader // of the Dockerfile, when it is not a file
	Names      []string  // canonical names for the result

	BuildArgs map[string]string
	Labels    map[string]string
	Target    string
	Platform  string
	Network   string   // for RUN: "", none, host
	AddHosts  []string // for RUN
	NoCache   bool
	Pull      bool
	Secrets   map[string]string // ID to a file on the host
	ShmSize   int64
}

// Images finds base images.
type Images interface {
	// Resolve returns the image that a name stands for, pulling it when it is
	// not there or when pull says so.
	Resolve(ctx context.Context, ref, platform string, pull bool) (overlay.Details, error)
}

// Runner runs a command on layers.
type Runner interface {
	// Run returns an *ExitError when the command failed.
	Run(ctx context.Context, s Step) error
}

// Step is a command to run.
type Step struct {
	Lowers          []string // directories of the layers below, topmost first
	Upper, Work     string   // where changes go
	Args, Env       []string
	Dir, User       string
	Network         string
	AddHosts        []string
	ShmSize         int64
	Mounts          []StepMount
	Stdout, Stderr  io.Writer
	SecurityOptions string
}

// StepMount is a mount for one command.
type StepMount struct {
	Type     string // bind or tmpfs
	Source   string // on the host
	Target   string
	ReadOnly bool
	Size     int64 // of a tmpfs
}

// ExitError says that a command ran and failed.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit code: %d", e.Code) }

// Result is what a build gives.
type Result struct {
	Image    overlay.Image
	Warnings []string
}

// Build carries out a Dockerfile. What happens is told to events.
func Build(ctx context.Context, st *overlay.Store, images Images, run Runner, o Options, events func(Event)) (Result, error) {
	b := &builder{ctx: ctx, st: st, images: images, runner: run, o: o, tell: &teller{send: events}, done: map[int]*stage{}}
	defer b.close()
	res, err := b.build()
	if err != nil {
		return res, b.locate(err)
	}
	return res, nil
}

type builder struct {
	ctx    context.Context
	st     *overlay.Store
	images Images
	runner Runner
	o      Options
	tell   *teller

	file    *file
	meta    []instructions.ArgCommand // before the first FROM
	context *tree
	mounts  []*tree // of images and stages that COPY --from reads
	done    map[int]*stage
	used    map[string]bool // build arguments that something asked for
}

func (b *builder) close() {
	for _, t := range b.mounts {
		t.close()
	}
	if b.context != nil {
		b.context.close()
	}
}

// stage is a stage while it is built, and after.
type stage struct {
	index   int
	name    string // for the progress: "build", "stage-1", or empty with one stage
	image   dockerspec.DockerOCIImage
	layers  []overlay.LayerID
	args    *argScope
	step    int
	steps   int
	scratch bool
	history []ocispec.History
	sawCmd  bool
}

func (s *stage) parent() overlay.LayerID {
	if len(s.layers) == 0 {
		return ""
	}
	return s.layers[len(s.layers)-1]
}

func (b *builder) build() (Result, error) {
	if err := b.load(); err != nil {
		return Result{}, err
	}
	target, err := b.file.target(b.o.Target)
	if err != nil {
		return Result{}, err
	}
	needed, err := b.needed(target)
	if err != nil {
		return Result{}, err
	}
	for i := range b.file.stages {
		if !needed[i] {
			continue
		}
		s, err := b.stage(i)
		if err != nil {
			return Result{}, err
		}
		b.done[i] = s
	}
	return b.export(b.done[target])
}

// stage carries out one stage.
func (b *builder) stage(i int) (*stage, error) {
	src := b.file.stages[i]
	s := &stage{index: i, args: newArgScope(b), steps: countSteps(src.Commands) + 1}
	if len(b.file.stages) > 1 {
		if s.name = src.Name; s.name == "" {
			s.name = fmt.Sprintf("stage-%d", i)
		}
	}
	if err := b.from(s, src); err != nil {
		return nil, withLocation(err, src.Location)
	}
	triggers := s.image.Config.OnBuild
	s.image.Config.OnBuild = nil
	for _, text := range triggers {
		cmd, err := parseTrigger(text)
		if err == nil {
			err = b.command(s, cmd)
		}
		if err != nil {
			return nil, withLocation(err, src.Location)
		}
	}
	for _, cmd := range src.Commands {
		if err := b.command(s, cmd); err != nil {
			return nil, withLocation(err, cmd.Location())
		}
	}
	return s, nil
}

// countSteps counts the instructions that give a layer.
func countSteps(cmds []instructions.Command) int {
	n := 0
	for _, c := range cmds {
		switch c.(type) {
		case *instructions.RunCommand, *instructions.CopyCommand, *instructions.AddCommand, *instructions.WorkdirCommand:
			n++
		}
	}
	return n
}

// title is the heading of a step: "[build 2/4] RUN make".
func (s *stage) title(text string) string {
	s.step++
	label := fmt.Sprintf("%d/%d", s.step, s.steps)
	if s.name != "" {
		label = s.name + " " + label
	}
	return "[" + label + "] " + text
}

// from puts the base image, or the stage, under the new stage.
func (b *builder) from(s *stage, src instructions.Stage) error {
	name, err := b.expandMeta(src.BaseName)
	if err != nil {
		return err
	}
	if name == "" {
		return fmt.Errorf("base name (%s) should not be blank", src.BaseName)
	}
	platform, err := b.expandMeta(src.Platform)
	if err != nil {
		return err
	}
	if platform == "" {
		platform = b.o.Platform
	}
	if base := b.file.stage(name, s.index); base >= 0 {
		b.inherit(s, b.done[base])
		return nil
	}
	if name == "scratch" {
		s.scratch = true
		s.image.OS, s.image.Architecture = "linux", runtime.GOARCH
		s.step++
		return nil
	}
	det, err := b.resolve(name, platform)
	if err != nil {
		return err
	}
	v := b.tell.start(s.title("FROM " + shownName(name, det)))
	if err := json.Unmarshal(det.Config, &s.image); err != nil {
		return v.fail(fmt.Errorf("decode configuration of %s: %w", name, err))
	}
	s.layers, s.history = det.Layers, s.image.History
	s.args.adopt(s.image.Config.Env)
	v.cached()
	return nil
}

func (b *builder) inherit(s, base *stage) {
	s.image = base.image
	s.image.Config.Env = slices.Clone(base.image.Config.Env)
	s.image.Config.Labels = maps.Clone(base.image.Config.Labels)
	s.image.Config.ExposedPorts = maps.Clone(base.image.Config.ExposedPorts)
	s.image.Config.Volumes = maps.Clone(base.image.Config.Volumes)
	s.layers, s.history = slices.Clone(base.layers), slices.Clone(base.history)
	s.scratch = base.scratch
	s.args.adopt(s.image.Config.Env)
	s.step++
}

// resolve finds an image, as a step of its own.
func (b *builder) resolve(name, platform string) (overlay.Details, error) {
	v := b.tell.start("[internal] load metadata for " + canonical(name))
	det, err := b.images.Resolve(b.ctx, name, platform, b.o.Pull)
	if err != nil {
		return det, v.fail(fmt.Errorf("%s: failed to resolve source metadata for %s: %w", name, canonical(name), err))
	}
	v.finish()
	return det, nil
}

// export records the image.
func (b *builder) export(s *stage) (Result, error) {
	v := b.tell.start("exporting to image")
	if len(s.layers) == 0 {
		return Result{}, v.fail(errors.New("no image was generated: the stage has no files; add a COPY or a RUN"))
	}
	for _, k := range slices.Sorted(maps.Keys(b.o.Labels)) {
		if s.image.Config.Labels == nil {
			s.image.Config.Labels = map[string]string{}
		}
		s.image.Config.Labels[k] = b.o.Labels[k]
	}
	config, err := b.config(s)
	if err != nil {
		return Result{}, v.fail(err)
	}
	img, err := b.st.CreateImage(b.ctx, overlay.NewImage{Config: config, Layers: s.layers, Names: b.o.Names})
	if err != nil {
		return Result{}, v.fail(err)
	}
	v.status("exporting layers done")
	v.status("writing image sha256:" + img.ID + " done")
	for _, n := range b.o.Names {
		v.status("naming to " + n + " done")
	}
	v.finish()
	return Result{Image: img, Warnings: b.warnings()}, nil
}

// config is the final configuration. The same layers with the same settings
// are the same image: the time is that of the first build.
func (b *builder) config(s *stage) ([]byte, error) {
	img := s.image
	img.RootFS = ocispec.RootFS{Type: "layers"}
	for _, l := range s.layers {
		d, err := b.st.DiffID(l)
		if err != nil {
			return nil, err
		}
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, d)
	}
	img.Created, img.History = nil, s.history
	bare, err := json.Marshal(img)
	if err != nil {
		return nil, err
	}
	created := b.firstBuilt(digest.FromBytes(bare))
	img.Created = &created
	img.History = slices.Clone(s.history)
	for i := range img.History {
		if img.History[i].Created == nil {
			img.History[i].Created = &created
		}
	}
	return json.Marshal(img)
}

// addHistory tells of an instruction.
func (s *stage) addHistory(createdBy string, empty bool) {
	s.history = append(s.history, ocispec.History{CreatedBy: createdBy, Comment: "buildkit.dockerfile.v0", EmptyLayer: empty})
}

// command carries out one instruction.
func (b *builder) command(s *stage, cmd instructions.Command) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	if ex, ok := cmd.(instructions.SupportsSingleWordExpansion); ok {
		if err := ex.Expand(s.args.expand(b.file.escape)); err != nil {
			return err
		}
	}
	switch c := cmd.(type) {
	case *instructions.RunCommand:
		return b.run(s, c)
	case *instructions.CopyCommand:
		return b.copy(s, copyOf(c))
	case *instructions.AddCommand:
		return b.copy(s, addOf(c))
	case *instructions.WorkdirCommand:
		return b.workdir(s, c)
	case *instructions.ArgCommand:
		return b.arg(s, c)
	}
	return configure(s, cmd)
}

// snapshot makes a layer of what f writes, or takes the one that the cache has
// under key.
func (b *builder) snapshot(s *stage, v *vertex, key cacheKey, f func(d *overlay.Dir, lowers []string) error) error {
	if id, ok := b.cached(key); ok {
		s.layers = append(s.layers, id)
		v.cached()
		return nil
	}
	v.begin()
	lowers, err := b.st.Lowers(s.parent())
	if err != nil {
		return v.fail(err)
	}
	d, err := b.st.NewDir()
	if err != nil {
		return v.fail(err)
	}
	defer d.Discard()
	if err := f(d, lowers); err != nil {
		return v.fail(err)
	}
	staged, err := b.st.StageDir(b.ctx, d, lowers)
	if err != nil {
		return v.fail(err)
	}
	id, err := b.st.Commit(staged, s.parent(), nil)
	if err != nil {
		return v.fail(err)
	}
	if err := b.remember(key, id); err != nil {
		return v.fail(err)
	}
	s.layers = append(s.layers, id)
	v.finish()
	return nil
}

// canonical completes an image's name for the progress; the owner of names is
// package oci, which will refuse a wrong one.
func canonical(name string) string {
	first, _, ok := strings.Cut(name, "/")
	if !ok {
		name = "docker.io/library/" + name
	} else if !strings.ContainsAny(first, ".:") && first != "localhost" {
		name = "docker.io/" + name
	}
	if !strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":") && !strings.Contains(name, "@") {
		name += ":latest"
	}
	return name
}

func shownName(name string, det overlay.Details) string {
	shown := canonical(name)
	for _, d := range det.RepoDigests {
		repo, dig, _ := strings.Cut(d, "@")
		if strings.HasPrefix(shown, repo+":") {
			return shown + "@" + dig
		}
	}
	return shown
}

// now is a variable of the kind that SOURCE_DATE_EPOCH sets: the time that new
// images say they are from.
func now() time.Time {
	if v := os.Getenv("SOURCE_DATE_EPOCH"); v != "" {
		var sec int64
		if _, err := fmt.Sscan(v, &sec); err == nil {
			return time.Unix(sec, 0).UTC()
		}
	}
	return time.Now().UTC()
}
