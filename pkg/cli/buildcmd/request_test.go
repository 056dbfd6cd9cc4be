// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/docker/go-units"

	"coracle/pkg/dockerfile"
)

// What each flag becomes of a request.
func TestRequest(t *testing.T) {
	u := newUser(t)
	u.write("ctx/Dockerfile", "")
	t.Setenv("OF_ENV", "value")
	here := filepath.Join(u.dir, "ctx")
	plain, _, err := u.request("ctx")
	if err != nil || plain.ContextDir != here || plain.Dockerfile != here+"/Dockerfile" {
		t.Fatalf("a request is %+v, %v", plain, err)
	}
	for words, want := range map[string]func(*dockerfile.Request){
		"-t a -t b/c:1": func(r *dockerfile.Request) { r.Tags = []string{"docker.io/library/a:latest", "docker.io/b/c:1"} },
		"--build-arg A=1 --build-arg OF_ENV --build-arg NOT_SET --build-arg B=": func(r *dockerfile.Request) {
			r.BuildArgs = map[string]string{"A": "1", "OF_ENV": "value", "B": ""}
		},
		"--label a=b=c --label d":  func(r *dockerfile.Request) { r.Labels = map[string]string{"a": "b=c", "d": ""} },
		"--target t":               func(r *dockerfile.Request) { r.Target = "t" },
		"--platform linux/arm64":   func(r *dockerfile.Request) { r.Platform = "linux/arm64" },
		"--network none":           func(r *dockerfile.Request) { r.NetworkMode = "none" },
		"--add-host h:1.2.3.4":     func(r *dockerfile.Request) { r.ExtraHosts = []string{"h:1.2.3.4"} },
		"--no-cache":               func(r *dockerfile.Request) { r.NoCache = true },
		"--no-cache-filter s":      func(r *dockerfile.Request) { r.NoCacheFilter = []string{"s"} },
		"--pull":                   func(r *dockerfile.Request) { r.PullParent = true },
		"--ulimit nofile=1:2":      func(r *dockerfile.Request) { r.Ulimits = []units.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}} },
		"--shm-size 1m":            func(r *dockerfile.Request) { r.ShmSize = 1 << 20 },
		"--secret id=s,env=OF_ENV": func(r *dockerfile.Request) { r.Secrets = []dockerfile.Secret{{ID: "s", Value: []byte("value")}} },
		"--build-context Name=ctx --build-context i=docker-image://x:1": func(r *dockerfile.Request) {
			r.Contexts = map[string]dockerfile.Context{"name": {Dir: here}, "i": {Image: "x:1"}}
		},
	} {
		got, _, err := u.request(append(strings.Fields(words), "ctx")...)
		expected := plain
		want(&expected)
		got.Access, expected.Access = plain.Access, plain.Access
		if err != nil || !reflect.DeepEqual(got, expected) {
			t.Errorf("%s: %v, got\n%+v\nwant\n%+v", words, err, got, expected)
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "7")
	for words, want := range map[string]string{"": "7", "--build-arg SOURCE_DATE_EPOCH=8": "8"} {
		if got, _, err := u.request(append(strings.Fields(words), "ctx")...); err != nil || got.BuildArgs["SOURCE_DATE_EPOCH"] != want {
			t.Errorf("%s: the epoch is %q, %v", words, got.BuildArgs["SOURCE_DATE_EPOCH"], err)
		}
	}
}

// Where the Dockerfile and the context are.
func TestSources(t *testing.T) {
	u := newUser(t)
	for _, name := range []string{"Dockerfile", "other", "ctx/Dockerfile", "ctx/other", "ctx/only", "low/dockerfile", "none/f"} {
		u.write(name, "")
	}
	if err := os.Symlink("ctx", "link"); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open("other")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	number := fmt.Sprintf("/proc/self/fd/%d", open.Fd())
	for words, want := range map[string][3]string{ // context, Dockerfile, and what is read
		".":                   {".", "./Dockerfile", ""},
		"ctx":                 {"ctx", "ctx/Dockerfile", ""},
		"link":                {"ctx", "ctx/Dockerfile", ""},
		"low":                 {"low", "low/dockerfile", ""},
		"none":                {"none", "none/Dockerfile", ""}, // the build says that it is not there
		"-f other ctx":        {"ctx", "./other", ""},
		"-f ctx/other ctx":    {"ctx", "ctx/other", ""},
		"-f only ctx":         {"ctx", "ctx/only", ""},
		"-f nowhere ctx":      {"ctx", "./nowhere", ""},
		"-f - ctx":            {"ctx", "Dockerfile", "in"},
		"-f /dev/stdin ctx":   {"ctx", "Dockerfile", "in"},
		"-f " + number + " .": {".", "Dockerfile", number},
		"-":                   {"", "Dockerfile", "in"},
		"-f sub/D -":          {"", "sub/D", "in"},
	} {
		r, _, err := u.request(strings.Fields(words)...)
		source := ""
		if r.Source != nil {
			source = r.Source.Name()
			if source != number {
				source = filepath.Base(source)
			}
		}
		at := func(name string) string {
			if name == "." || strings.Contains(name, "/") || name == "ctx" || name == "low" || name == "none" {
				return filepath.Join(u.dir, name)
			}
			return name
		}
		file := at(want[1])
		if want[0] == "" {
			file = want[1]
		}
		if err != nil || r.ContextDir != at(want[0]) || r.Dockerfile != file || source != want[2] {
			t.Errorf("%s: %q, %q, read from %q, %v", words, r.ContextDir, r.Dockerfile, source, err)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	u := newUser(t)
	u.write("Dockerfile", "")
	for words, want := range map[string]string{
		"-f - -":           "can't use stdin for both build context and dockerfile",
		"nowhere":          `unable to prepare context: path "nowhere" not found`,
		"Dockerfile":       `unable to prepare context: path "Dockerfile" is not a directory`,
		"https://h/r.git":  "remote contexts are not supported",
		"git@h:r":          "remote contexts are not supported",
		"-f /dev/fd/999 .": "failed to read dockerfile: open /dev/fd/999",
		"-t A .":           `invalid argument "A" for "-t, --tag" flag: invalid reference format`,
		"-t a@sha256:" + strings.Repeat("0", 64) + " .": "invalid reference format",
		"--network own .":                      `network mode "own" not supported by a build`,
		"--add-host x .":                       "bad format for add-host",
		"--secret src=x .":                     `missing id in secret "src=x"`,
		"--ulimit x .":                         `invalid argument "x" for "--ulimit" flag`,
		"--shm-size x .":                       `"--shm-size" flag`,
		"--build-context x .":                  "invalid context value: x, expected key=value",
		"--build-context x=nowhere .":          "failed to get build context x: nowhere is not a directory",
		"--build-context x=https://h .":        "only directories and docker-image:// are supported",
		"--build-context x=docker-image://A .": "must be lowercase",
		"--builder other .":                    `no builder "other" found`,
		"--call lint .":                        "--call=lint is not supported",
		"--check .":                            "--check is not supported",
		"--ssh default .":                      "--ssh is not supported",
		"--isolation hyperv .":                 "invalid isolation 'hyperv' on linux",
		"--platform linux/amd64,linux/arm64 .": "an image here has one platform",
		"--allow security.insecure .":          "--allow security.insecure is not supported",
		"-o type=x .":                          `output type "x" is not supported`,
		"-o dest=x .":                          "type is required for output",
		"-o type=local .":                      "dest is required for local exporter",
		"-o type=tar,x .":                      "invalid value x",
		"-o type=image,push=x .":               "invalid value for push: x",
		"-o type=image,name=A .":               "must be lowercase",
	} {
		_, _, err := u.request(strings.Fields(words)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("build %s: error is %v, want %s", words, err, want)
		}
	}
}

// What --output and --push say, and what of it is the build's.
func TestOutputs(t *testing.T) {
	u := newUser(t)
	u.write("Dockerfile", "")
	for words, want := range map[string]struct {
		outputs string // TYPE DIR or FILE, in turn
		keeps   bool
		push    bool
	}{
		"":                            {"", true, false},
		"-o out":                      {"local out", false, false},
		"-o -":                        {"tar out", false, false},
		"-o type=local,dest=d":        {"local d", false, false},
		"-o type=tar,dest=t":          {"tar part", false, false},
		"-o type=tar":                 {"tar out", false, false},
		"-o type=oci":                 {"oci out", true, false},
		"-o type=oci,dest=o":          {"oci part", true, false},
		"-o type=docker":              {"image", true, false},
		"-o type=docker,dest=o":       {"docker part", true, false},
		"-o type=image":               {"image", true, false},
		"-o type=registry":            {"image", true, true},
		"--push":                      {"image", true, true},
		"-o type=cacheonly":           {"cacheonly", false, false},
		"-o d -o type=image":          {"local d, image", true, false},
		"-o type=image,push=true":     {"image", true, true},
		"-o type=cacheonly --push":    {"cacheonly, image", true, true},
		"-o type=image,name=a,name=b": {"image", true, false},
	} {
		r, list, err := u.request(append(strings.Fields(words), ".")...)
		if err != nil {
			t.Errorf("%s: %v", words, err)
			continue
		}
		finish, err := applyOutputs(u.env(""), &r, list)
		var got []string
		for _, d := range r.Outputs {
			where := ""
			if d.Dir != "" {
				where = " " + strings.TrimPrefix(d.Dir, u.dir+"/")
			}
			if d.File != nil {
				where = " " + strings.Replace(filepath.Base(d.File.Name()), ".coracle-build-", "part", 1)
				where, _, _ = strings.Cut(where, "part")
				if where == " " {
					where = " part"
				}
			}
			got = append(got, d.Type+where)
		}
		push := false
		for _, o := range list {
			push = push || o.push
		}
		if err != nil || strings.Join(got, ", ") != want.outputs || r.KeepsImage() != want.keeps || push != want.push {
			t.Errorf("%s: %q, kept %t, pushed %t, %v", words, got, r.KeepsImage(), push, err)
		}
		if strings.Contains(words, "name=") && fmt.Sprint(r.Tags) != "[docker.io/library/a:latest docker.io/library/b:latest]" {
			t.Errorf("%s: names are %q", words, r.Tags)
		}
		if err := finish(false); err != nil {
			t.Errorf("%s: finish: %v", words, err)
		}
		if left, err := filepath.Glob(".coracle-build-*"); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %q, %v", words, left, err)
		}
	}
}
