// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const scratch = "FROM scratch\nCOPY f /f\nCMD [\"/f\"]\n"

// A build shows what it does on standard error, and its result on standard output
// where that is asked for.
func TestBuild(t *testing.T) {
	u := newUser(t)
	u.write("Dockerfile", scratch)
	u.write("f", "text")
	r := u.run("", "build", "-t", "x", ".")
	if r.code() != 0 || r.out != "" {
		t.Fatalf("%d, %q, %s", r.code(), r.out, r.err)
	}
	u.contains("build", r.err, "#1 [internal] load build definition from Dockerfile\n", "[1/1] COPY f /f\n", "naming to docker.io/library/x:latest done\n")
	r = u.run("", "build", "-q", "--iidfile", "id", "--metadata-file", "meta", "-t", "x", "-t", "y:1", ".")
	id := strings.TrimSpace(r.out)
	if r.code() != 0 || len(id) != len("sha256:")+64 || r.err != "" {
		t.Fatalf("quiet: %d, %q, %q", r.code(), r.out, r.err)
	}
	for name, want := range map[string]string{
		"id": id, "meta": "{\n  \"containerimage.config.digest\": \"" + id + "\",\n  \"containerimage.digest\": \"" + id + "\",\n  \"image.name\": \"docker.io/library/x:latest,docker.io/library/y:1\"\n}",
	} {
		data, err := os.ReadFile(name)
		if err != nil || string(data) != want {
			t.Errorf("%s: %q, %v, want %q", name, data, err, want)
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s is %v, %v: not as the umask says", name, info.Mode(), err)
		}
	}
	if r := u.run("", "build", "-q", "--no-cache-filter", "s", "--build-arg", "UNKNOWN=1", "."); r.code() != 0 || r.err != "[Warning] One or more build-args [UNKNOWN] were not consumed\n" {
		t.Errorf("a warning: %d, %q", r.code(), r.err)
	}
	if r := u.run(scratch, "build", "-q", "-f", "-", "."); r.code() != 0 || strings.TrimSpace(r.out) != id {
		t.Errorf("the same from standard input: %d, %q, %q", r.code(), r.out, r.err)
	}
	r = u.run("", "build", "-q", "--memory", "1g", "--squash", "--provenance=false", ".")
	if strings.Count(r.err, "WARNING: ") != 2 {
		t.Errorf("options without effect: %q", r.err)
	}
}

// A failure has BuildKit's form: the step, the lines, the cause; and leaves no
// files that speak of another build.
func TestFailedBuild(t *testing.T) {
	u := newUser(t)
	u.write("Dockerfile", "FROM scratch\n# here\nCOPY none /\n")
	u.write("id", "old")
	r := u.run("", "build", "--iidfile", "id", "-o", "type=tar,dest=t.tar", ".")
	const cause = `failed to compute cache key: failed to calculate checksum of ref: "/none": not found`
	want := "------\n > [1/1] COPY none /:\n------\nDockerfile:3\n--------------------\n   1 |     FROM scratch\n   2 |     # here\n   3 | >>> COPY none /\n--------------------\nERROR: failed to build: failed to solve: " + cause + "\n"
	if r.code() != 1 || r.out != "" || !strings.HasSuffix(r.err, want) {
		t.Errorf("%d, %q, got\n%s\nwant\n%s", r.code(), r.out, r.err, want)
	}
	for _, name := range []string{"id", "t.tar"} {
		if _, err := os.Lstat(name); err == nil {
			t.Errorf("%s is there after a failure", name)
		}
	}
	if r := u.run("", "build", "-q", "."); r.code() != 1 || r.err != want {
		t.Errorf("quiet: %d, %q", r.code(), r.err)
	}
	if r := u.run("FROM scratch\nUSER\n", "build", "-f", "-", "."); r.code() != 1 {
		t.Errorf("a mistake: %d", r.code())
	} else {
		u.contains("a mistake", r.err, "   2 | >>> USER\n", "ERROR: failed to build: failed to solve: dockerfile parse error on line 2: USER requires exactly one argument\n")
	}
	if r := u.run("", "build", "--progress", "fancy", "."); r.why == nil || r.why.Error() != "invalid progress mode fancy" {
		t.Errorf("progress: %v", r.why)
	}
}

func TestBuildToFiles(t *testing.T) {
	u := newUser(t)
	u.write("Dockerfile", scratch)
	u.write("f", "text")
	if r := u.run("", "build", "-o", "type=tar,dest=t.tar", "-o", "dir", "."); r.code() != 0 || r.out != "" {
		t.Fatalf("%d, %q, %s", r.code(), r.out, r.err)
	}
	if data, err := os.ReadFile("dir/f"); err != nil || string(data) != "text" {
		t.Errorf("in the directory: %q, %v", data, err)
	}
	if info, err := os.Stat("t.tar"); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the archive is %v, %v", info.Mode(), err)
	}
	f, err := os.Open("t.tar")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := tar.NewReader(f).Next()
	if err != nil || h.Name != "f" || h.Size != 4 {
		t.Errorf("in the archive: %+v, %v", h, err)
	}
	r := u.run("", "build", "-q", "-o", "-", ".")
	if h, err := tar.NewReader(strings.NewReader(r.out)).Next(); err != nil || h.Name != "f" || r.err != "" {
		t.Errorf("on standard output: %+v, %v, %s", h, err, r.err)
	}
	r = u.run("", "build", "-q", "-t", "kept", "-o", "type=oci", ".")
	names := ""
	for a := tar.NewReader(strings.NewReader(r.out)); ; {
		h, err := a.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names += " " + h.Name
	}
	u.contains("an image on standard output", names, "index.json", "manifest.json", "blobs/sha256/")
	if r := u.run("", "build", "-o", "type=tar,dest="+filepath.Join("none", "t"), "."); r.why == nil || r.why.Error() != "open none/t: no such file or directory" {
		t.Errorf("nowhere: %v", r.why)
	}
	if r := u.run("", "build", "-q", "--push", "."); r.why == nil || r.why.Error() != "tag is needed when pushing to registry" {
		t.Errorf("pushed without a name: %v", r.why)
	}
	if r := u.run("", "build", "-q", "--push", "-t", "127.0.0.1:1/x", "."); r.why == nil || !strings.HasPrefix(r.why.Error(), "failed to push 127.0.0.1:1/x:latest: ") {
		t.Errorf("pushed to nobody: %v", r.why)
	}
}

func TestDescribe(t *testing.T) {
	u := newUser(t)
	u.write("f", "text")
	u.write("Dockerfile", "ARG A=1\n# base what is below\n"+strings.Replace(scratch, "scratch", "scratch AS base", 1)+"FROM base\nARG A\n")
	for call, want := range map[string]string{
		"targets": "TARGET    DESCRIPTION\nbase      what is below\n(default) \n",
		"outline": "BUILD ARG   VALUE   DESCRIPTION\nA           1       \n\n",
		"graph":   "0 scratch\n1 <- 0 copy [\"f\"] to \"/f\" [base 1/1] COPY f /f\n",
	} {
		if r := u.run("", "build", "-q", "--call", call, "."); r.code() != 0 || r.out != want || r.err != "" {
			t.Errorf("%s: %d, %q, got\n%s\nwant\n%s", call, r.code(), r.err, r.out, want)
		}
	}
	if r := u.run("", "build", "-q", "--call", "graph", "--target", "x", "."); r.code() != 1 || !strings.Contains(r.err, `target stage "x" could not be found`) {
		t.Errorf("another target: %d, %q", r.code(), r.err)
	}
}

// The cache, as `builder` shows and prunes it.
func TestBuildCache(t *testing.T) {
	u := newUser(t)
	u.write("f", strings.Repeat("x", 20000))
	u.write("Dockerfile", scratch)
	if r := u.run("", "builder", "du"); r.code() != 0 || r.out != "ID\t\tRECLAIMABLE\tSIZE\tLAST ACCESSED\nReclaimable:\t0B\nTotal:\t\t0B\n" {
		t.Errorf("nothing: %d, %q", r.code(), r.out)
	}
	if r := u.run("", "build", "-q", "-t", "x", "."); r.code() != 0 {
		t.Fatal(r.err)
	}
	u.write("f", strings.Repeat("y", 30000))
	if r := u.run("", "build", "-q", "-o", "type=cacheonly", "."); r.code() != 0 || r.out != "" {
		t.Fatalf("%q, %s", r.out, r.err)
	}
	r := u.run("", "builder", "du")
	u.contains("two layers", r.out, "*\tfalse\t\t", "\ttrue\t\t", "Shared:\t", "Private:\t")
	r = u.run("", "builder", "du", "--format", "{{.ID}} {{.CacheType}} {{.Shared}}")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], " regular true") || !strings.HasSuffix(lines[1], " regular false") {
		t.Fatalf("by a template: %q, %v", r.out, r.why)
	}
	left := func() int {
		return strings.Count(u.run("", "builder", "du", "--format", "{{.ID}}").out, "\n")
	}
	for _, tt := range []struct {
		words string
		left  int
	}{
		{"--filter id=zzz", 2}, {"--filter type=exec.cachemount", 2}, {"--filter until=24h", 2}, {"--keep-storage 1gb", 2},
		{"--filter shared=true", 1}, {"--filter inuse=true", 1}, {"--filter private=0", 1}, {"-a", 0},
	} {
		r := u.run("", append([]string{"builder", "prune", "-f"}, strings.Fields(tt.words)...)...)
		if got := left(); r.code() != 0 || got != tt.left || !strings.HasPrefix(r.out, "Total:\t") {
			t.Errorf("%s: %d, %q, %d are left, want %d", tt.words, r.code(), r.out, got, tt.left)
		}
	}
	for words, want := range map[string]string{
		"--filter x=y": "x", "--filter until=yesterday": "yesterday", "--builder other": `no builder "other" found`, "more": "accepts no arguments",
	} {
		if r := u.run("", append([]string{"builder", "prune", "-f"}, strings.Fields(words)...)...); r.why == nil || !strings.Contains(r.why.Error(), want) {
			t.Errorf("%s: %v", words, r.why)
		}
	}
	if r := u.run("n\n", "builder", "prune"); r.code() != 0 || !strings.Contains(r.out+r.err, "WARNING! This will remove all dangling build cache.") {
		t.Errorf("asked: %d, %q, %q", r.code(), r.out, r.err)
	}
}

func TestBuildx(t *testing.T) {
	u := newUser(t)
	for words, want := range map[string]string{
		"buildx inspect": "Name:   default\nDriver: docker\n", "buildx ls": "default*      docker\n", "buildx version": "coracle/buildx v",
		"buildx ls --format {{.Name}}": "default\n", "buildx use default": "", "buildx inspect default": "Name:   default\n",
	} {
		if r := u.run("", strings.Fields(words)...); r.code() != 0 || !strings.Contains(r.out, want) {
			t.Errorf("%s: %d, %q, %v", words, r.code(), r.out, r.why)
		}
	}
	for words, want := range map[string]string{
		"buildx use other": `no builder "other" found`, "buildx bake": "'docker buildx bake' is not supported", "buildx inspect other": `no builder "other" found`,
	} {
		if r := u.run("", strings.Fields(words)...); r.why == nil || !strings.Contains(r.why.Error(), want) {
			t.Errorf("%s: %v", words, r.why)
		}
	}
}
