// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/parse"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
)

// stage is a stage while it is built, and after.
type stage struct {
	index    int
	name     string // for the progress: "build", "stage-1", or empty with one stage
	platform string // what was asked for
	image    dockerspec.DockerOCIImage
	layers   []overlay.LayerID
	args     *argScope
	step     int
	steps    int
	history  []ocispec.History
	below    int // entries of the history that are the base image's
	sawCmd   bool
	noCache  bool // --no-cache-filter names it
}

func (s *stage) parent() overlay.LayerID {
	if len(s.layers) == 0 {
		return ""
	}
	return s.layers[len(s.layers)-1]
}

// stage carries out one stage.
func (b *builder) stage(i int) (*stage, error) {
	src := b.file.Stages[i]
	s := &stage{index: i, args: newArgScope(), steps: countSteps(src.Commands)}
	s.noCache = src.Name != "" && slices.ContainsFunc(b.o.NoCacheFilter, func(n string) bool { return strings.EqualFold(n, src.Name) })
	if len(b.file.Stages) > 1 {
		s.name = b.file.NameOf(i)
	}
	if err := b.from(s, src); err != nil {
		return nil, withLocation(err, src.Location)
	}
	if _, replaced := b.named(src.Name); replaced {
		return s, nil
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
	if s.platform, err = b.expandMeta(src.Platform); err != nil {
		return err
	}
	if s.platform == "" {
		s.platform = b.o.Platform
	}
	if given, ok := b.named(src.Name); ok { // of the stage: its instructions do not count
		return b.fromContext(s, src.Name, given)
	}
	if given, ok := b.named(name); ok {
		if err := b.fromContext(s, name, given); err != nil {
			return err
		}
	} else if base := b.file.Stage(name, s.index); base >= 0 {
		from, err := b.wait(base)
		if err != nil {
			return err
		}
		s.inherit(from)
	} else if name == "scratch" {
		s.empty()
	} else if err := b.fromImage(s, name); err != nil {
		return err
	}
	if _, ok := s.args.vars["PATH"]; !ok {
		s.image.Config.Env = spec.MergeEnv(s.image.Config.Env, "PATH="+spec.DefaultPath)
		s.args.vars["PATH"] = spec.DefaultPath
	}
	return b.triggers(s)
}

// empty begins with nothing.
func (s *stage) empty() {
	p := parsePlatform(s.platform)
	s.image.Config.WorkingDir = "/"
	s.image.OS, s.image.Architecture, s.image.Variant = p.os, p.arch, p.variant
}

// fromContext begins with what --build-context gives for a name.
func (b *builder) fromContext(s *stage, name string, c Context) (err error) {
	if c.Image != "" {
		return b.fromImage(s, c.Image)
	}
	s.empty()
	if s.layers, err = b.contextLayers(name, c.Dir); err != nil {
		return err
	}
	s.addHistory("[context "+name+"] load from client", false)
	return nil
}

func (b *builder) fromImage(s *stage, name string) error {
	det, err := b.resolve(name, s.platform)
	if err != nil {
		return err
	}
	s.steps++
	if err := json.Unmarshal(det.Config, &s.image); err != nil {
		return fmt.Errorf("decode configuration of %s: %w", name, err)
	}
	s.layers, s.history, s.below = slices.Clone(det.Layers), slices.Clone(s.image.History), len(s.image.History)
	s.args.adopt(s.image.Config.Env)
	for _, text := range s.image.Config.OnBuild {
		if cmd, err := parse.Trigger(text); err == nil {
			s.steps += countSteps([]instructions.Command{cmd})
		}
	}
	b.tell.start(s.title("FROM " + shownName(name, det))).cached()
	return nil
}

// triggers carries out what the base image, or the stage, says is to be done
// first in an image that is built on it.
func (b *builder) triggers(s *stage) error {
	list := s.image.Config.OnBuild
	s.image.Config.OnBuild = nil
	for _, text := range list {
		cmd, err := parse.Trigger(text)
		if err != nil {
			return err
		}
		if err := b.command(s, cmd); err != nil {
			return err
		}
	}
	return nil
}

// inherit begins with another stage: its files, its settings, its arguments.
func (s *stage) inherit(base *stage) {
	s.image = base.image
	s.image.Config.Env = slices.Clone(base.image.Config.Env)
	s.image.Config.Labels = maps.Clone(base.image.Config.Labels)
	s.image.Config.ExposedPorts = maps.Clone(base.image.Config.ExposedPorts)
	s.image.Config.Volumes = maps.Clone(base.image.Config.Volumes)
	s.layers, s.history, s.below = slices.Clone(base.layers), slices.Clone(base.history), base.below
	s.args.inherit(base.args)
	s.platform = base.platform
}

// base is an image that is looked up once, whoever asks first.
type base struct {
	once sync.Once
	det  overlay.Details
	err  error
}

// resolve finds an image, as a step of its own.
func (b *builder) resolve(name, platform string) (overlay.Details, error) {
	key := parsePlatform(platform).String() + " " + canonical(name)
	b.mu.Lock()
	known := b.bases[key]
	if known == nil {
		known = &base{}
		b.bases[key] = known
	}
	b.mu.Unlock()
	known.once.Do(func() { known.det, known.err = b.resolveOnce(name, platform) })
	return known.det, known.err
}

func (b *builder) resolveOnce(name, platform string) (overlay.Details, error) {
	v := b.tell.start("[internal] load metadata for " + canonical(name))
	det, err := b.images.Resolve(b.ctx, name, platform, b.o.Pull)
	if err != nil {
		return det, v.fail(fmt.Errorf("%s: failed to resolve source metadata for %s: %w", name, canonical(name), err))
	}
	if !ForPlatform(det, platform) {
		is, want := platformOf(det), parsePlatform(platform)
		b.warn(fmt.Sprintf("InvalidBaseImagePlatform: Base image %s was pulled with platform %q, expected %q for current build", name, is, want))
	}
	v.finish()
	return det, nil
}

// addHistory tells of an instruction.
func (s *stage) addHistory(createdBy string, empty bool) {
	s.history = append(s.history, ocispec.History{CreatedBy: parse.WithoutCredentials(createdBy), Comment: "buildkit.dockerfile.v0", EmptyLayer: empty})
}

// command carries out one instruction.
func (b *builder) command(s *stage, cmd instructions.Command) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	if ex, ok := cmd.(instructions.SupportsSingleWordExpansion); ok && !isArg(cmd) {
		if err := ex.Expand(s.args.expand(b.file.Escape)); err != nil {
			return err
		}
	}
	if ex, ok := cmd.(instructions.SupportsSingleWordExpansionRaw); ok {
		if err := ex.ExpandRaw(s.args.expandRaw(b.file.Escape)); err != nil {
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
	return configure(s, cmd, b.file.Escape)
}

// isArg reports whether an instruction is an ARG, whose words are expanded only
// if they are used.
func isArg(cmd instructions.Command) bool {
	_, ok := cmd.(*instructions.ArgCommand)
	return ok
}

// snapshot makes a layer of what f writes, or takes the one that the cache has
// under key.
//
// Preconditions: every stage that f reads is there, for f runs with a slot.
func (b *builder) snapshot(s *stage, v *vertex, key cacheKey, f func(d *overlay.Dir, lowers []string) error) error {
	if b.rewritesTimes() {
		key = newKey("", string(key), "rewrite-timestamp", b.epochKey())
	}
	if id, ok := b.cached(key); ok && !s.noCache {
		s.layers = append(s.layers, id)
		v.cached()
		return nil
	}
	same, mine := b.flight(key)
	if !mine {
		if err := same.wait(b.ctx); err != nil {
			return v.fail(err)
		}
		s.layers = append(s.layers, same.layer)
		v.cached()
		return nil
	}
	id, err := b.newLayer(s.parent(), v, key, f)
	same.land(id, err)
	if err != nil {
		return v.fail(err)
	}
	s.layers = append(s.layers, id)
	v.finish()
	return nil
}

// newLayer makes a layer of what f writes on the parent, and remembers it.
func (b *builder) newLayer(parent overlay.LayerID, v *vertex, key cacheKey, f func(d *overlay.Dir, lowers []string) error) (overlay.LayerID, error) {
	release, err := b.slot()
	if err != nil {
		return "", err
	}
	defer release()
	v.begin()
	lowers, err := b.st.Lowers(parent)
	if err != nil {
		return "", err
	}
	d, err := b.st.NewDir()
	if err != nil {
		return "", err
	}
	defer d.Discard()
	err = f(d, lowers)
	keep := !errors.Is(err, files.ErrChanged) // good enough for this build, not for a later one
	if err != nil && keep {
		return "", err
	}
	if b.rewritesTimes() {
		if err := clampTimes(d.Upper, *b.epoch); err != nil {
			return "", err
		}
	}
	id, err := b.commit(d, parent, lowers)
	if err == nil && keep {
		err = b.remember(key, id)
	}
	return id, err
}

func (b *builder) commit(d *overlay.Dir, parent overlay.LayerID, lowers []string) (overlay.LayerID, error) {
	staged, err := b.st.StageDir(b.ctx, d, lowers)
	if err != nil {
		return "", err
	}
	for _, name := range staged.Reserved {
		b.warn(fmt.Sprintf("/%s was left out: in a layer, names that begin with .wh. stand for what is removed", name))
	}
	return b.st.Commit(staged, parent, nil)
}

// platform is what FROM and the predefined arguments call one.
type platform struct{ os, arch, variant string }

// parsePlatform completes a platform; without one it is this machine's.
func parsePlatform(s string) platform {
	p := platform{os: "linux", arch: runtime.GOARCH}
	f := strings.Split(strings.ToLower(s), "/")
	switch {
	case s == "":
		return p
	case len(f) > 1:
		p.os, p.arch = f[0], f[1]
	case f[0] == "linux" || f[0] == "windows" || f[0] == "darwin":
		p.os = f[0]
	default:
		p.arch = f[0]
	}
	if len(f) > 2 {
		p.variant = f[2]
	}
	switch p.arch {
	case "x86_64", "x86-64":
		p.arch = "amd64"
	case "aarch64":
		p.arch = "arm64"
	}
	return p
}

func (p platform) String() string {
	if p.variant != "" {
		return p.os + "/" + p.arch + "/" + p.variant
	}
	return p.os + "/" + p.arch
}

func platformOf(det overlay.Details) platform {
	var is ocispec.Platform
	if err := json.Unmarshal(det.Config, &is); err != nil {
		return platform{}
	}
	return platform{is.OS, is.Architecture, is.Variant}
}

// ForPlatform reports whether an image is for a platform, which is this
// machine's when none is named. Of an image that does not say, it is assumed.
func ForPlatform(det overlay.Details, name string) bool {
	is, want := platformOf(det), parsePlatform(name)
	return is.arch == "" || is.os == want.os && is.arch == want.arch && (want.variant == "" || is.variant == want.variant)
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
