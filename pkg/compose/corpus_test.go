// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/internal/testutil/projects"
	"coracle/pkg/compose/convert"
	"coracle/pkg/compose/load"
	"coracle/pkg/network"
	"coracle/pkg/volume"
)

var write = flag.Bool("write", false, "record the plans of testdata/projects anew")

// nothing is what there is before the first up, with what is external.
func nothing() Observed {
	return Observed{
		Networks: map[string]network.Network{"there": {Name: "there"}}, Volumes: map[string]volume.Volume{"kept": {Name: "kept"}},
	}
}

// facts are images of all services.
func facts(p *types.Project) map[string]ImageFacts {
	all := map[string]ImageFacts{}
	for name, s := range p.Services {
		all[name] = ImageFacts{ID: "sha256:" + convert.ImageName(p, s)}
	}
	return all
}

// TestProjects reads projects as people have them, and compares what would be made of
// them, in which order and out of what, with what was recorded.
func TestProjects(t *testing.T) {
	t.Setenv("HOME", "/home/user")
	dir := filepath.Join(t.TempDir(), "projects")
	projects.Unpack(t, dir)
	if n := len(projects.Names()); n < 80 {
		t.Fatalf("%d projects", n)
	}
	for _, name := range projects.Names() {
		file, golden := filepath.Join(dir, name+".yaml"), filepath.Join("testdata", "projects", name+".plan")
		t.Run(name, func(t *testing.T) {
			got := describe(t, file)
			if *write {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// describe is the plan of a project, and below it every request.
func describe(t *testing.T, file string) []byte {
	t.Helper()
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	p, err := load.Project(t.Context(), load.Options{Files: []string{file}, Warn: func(text string) { fmt.Fprintln(&b, "warning:", text) }})
	if err != nil {
		t.Fatal(err)
	}
	if p, err = load.Select(p, nil, false); err != nil {
		t.Fatal(err)
	}
	for _, name := range p.ServiceNames() {
		for _, text := range slices.Concat(convert.Unheard(p.Services[name]), convert.UnheardBuild(p.Services[name])) {
			fmt.Fprintln(&b, "named:", text)
		}
	}
	plan, err := Decide(p, nothing(), Choices{Images: facts(p)})
	if err != nil {
		fmt.Fprintln(&b, "refused:", err)
		return bytes.ReplaceAll(b.Bytes(), []byte(dir), []byte("$DIR"))
	}
	b.WriteString(plan.String())
	for _, s := range plan.Steps {
		fmt.Fprintf(&b, "%s: %s\n", s.Name, request(t, p, s))
	}
	for _, name := range p.ServiceNames() {
		if s := p.Services[name]; s.Build != nil {
			r, err := convert.Build(p, s, convert.BuildOptions{Image: func(service string) string { return p.Name + "-" + service }})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "build %s: %s\n", name, short(t, r))
		}
	}
	return bytes.ReplaceAll(b.Bytes(), []byte(dir), []byte("$DIR"))
}

// request is what a step asks for.
func request(t *testing.T, p *types.Project, s Step) string {
	t.Helper()
	var asked any
	var files []convert.File
	var err error
	switch s.Do {
	case MakeNetwork:
		asked, err = convert.Network(p, s.Key)
	case MakeVolume:
		asked, err = convert.Volume(p, s.Key)
	default:
		var service types.ServiceConfig
		service, err = convert.Resolve(p.Services[s.Service], func(name string) (string, bool) { return "the-first-of-" + name, true })
		if err == nil {
			q, f, cerr := convert.Container(p, service, convert.Options{Number: s.Number, ImageID: "sha256:x"})
			for _, label := range []string{convert.LabelProject, convert.LabelVersion, convert.LabelHash, convert.LabelConfigFiles, convert.LabelWorkingDir, convert.LabelOneoff, convert.LabelImage, convert.LabelFiles} {
				delete(q.Labels, label)
			}
			asked, files, err = q, f, cerr
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	text := short(t, asked)
	if len(files) > 0 {
		text += " + " + short(t, files)
	}
	return text
}

// short is a value as JSON without what it does not say.
func short(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var any any
	if err := json.Unmarshal(data, &any); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(said(any)); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// said leaves out what is empty.
func said(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			e = said(e)
			if e == nil || reflect.ValueOf(e).IsZero() || k == "com.docker.compose.config-hash" || k == "com.docker.compose.version" {
				delete(v, k)
				continue
			}
			v[k] = e
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i, e := range v {
			v[i] = said(e)
		}
		if len(v) == 0 {
			return nil
		}
	}
	return v
}

// TestHashes: a service's hash is the one that docker compose 5.6.0 has for it, which
// testdata/hashes.txt was recorded from; those that depend on the directory are not in
// it.
func TestHashes(t *testing.T) {
	t.Setenv("HOME", "/home/user")
	dir := filepath.Join(t.TempDir(), "projects")
	projects.Unpack(t, dir)
	text, err := os.ReadFile("testdata/hashes.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) < 80 {
		t.Fatalf("only %d hashes", len(lines))
	}
	read := map[string]*types.Project{}
	for _, line := range lines {
		f := strings.Fields(line)
		p := read[f[0]]
		if p == nil {
			if p, err = load.Project(t.Context(), load.Options{Files: []string{filepath.Join(dir, f[0]+".yaml")}, Name: "p"}); err == nil {
				p, err = load.Select(p, nil, false)
			}
			if err != nil {
				t.Fatal(err)
			}
			read[f[0]] = p
		}
		if got, err := convert.Hash(p.Services[f[1]]); err != nil || got != f[2] {
			t.Errorf("%s, service %s: %s, want %s (%v)", f[0], f[1], got, f[2], err)
		}
	}
}
