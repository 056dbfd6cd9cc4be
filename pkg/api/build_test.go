// SPDX-License-Identifier: Apache-2.0

package api

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/moby/moby/api/types/build"
	"github.com/ulikunitz/xz"
)

const fromScratch = "FROM scratch\nARG WORD=no\nCOPY a /a\nLABEL word=$WORD\n"

// streamOf is what a build has printed, and its error.
func streamOf(t *testing.T, text string) (printed string, end message) {
	t.Helper()
	for _, m := range lines(t, text) {
		if m.ErrorDetail != nil {
			end = m
		}
		printed += m.Stream
	}
	return printed, end
}

// packed are the forms that a context may have.
func packed(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	var gz, zst, x bytes.Buffer
	zip := gzip.NewWriter(&gz)
	_, _ = zip.Write(data)
	zip.Close()
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = z.Write(data)
	z.Close()
	w, err := xz.NewWriter(&x)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(data)
	w.Close()
	return map[string][]byte{"plain": data, "gzip": gz.Bytes(), "zstd": zst.Bytes(), "xz": x.Bytes()}
}

func TestBuild(t *testing.T) {
	s := serve(t)
	t.Cleanup(func() { s.noImages(t) })
	ids := map[string]string{}
	for form, data := range packed(t, archive(t, "sub/File", fromScratch, "a", "text")) {
		code, text := s.send(t, "/v1.44/build?dockerfile=sub/File&t=one&t=two:2&rm=1&version=1&memory=0&cachefrom=[]&buildargs="+url.QueryEscape(`{"WORD":"yes","NONE":null}`)+"&labels="+url.QueryEscape(`{"l":"m"}`), bytes.NewReader(data))
		printed, end := streamOf(t, text)
		if code != 200 || end.Error != "" || !strings.Contains(printed, "Step 3/4 : COPY a /a\n") || !strings.HasSuffix(printed, "Successfully tagged one:latest\nSuccessfully tagged two:2\n") {
			t.Errorf("%s: %d %s", form, code, text)
		}
		_, id, _ := strings.Cut(text, `{"aux":{"ID":"`)
		ids[id[:71]] = form
		if !strings.Contains(printed, "Successfully built "+id[7:19]+"\n") {
			t.Errorf("%s: %s", id, printed)
		}
	}
	if len(ids) != 1 {
		t.Errorf("one context, several images: %v", ids)
	}
	img := get[struct {
		ID     string `json:"Id"`
		Config struct{ Labels map[string]string }
	}](t, s, "GET", "/images/two:2/json", "", 200)
	if img.Config.Labels["word"] != "yes" || img.Config.Labels["l"] != "m" || ids[img.ID] == "" {
		t.Errorf("%+v", img)
	}
	code, text := s.send(t, "/build?q=1&nocache=1&remote=&session=&ulimits="+url.QueryEscape(`[{"Name":"nofile","Soft":10,"Hard":20}]`), bytes.NewReader(archive(t, "Dockerfile", fromScratch, "a", "text")))
	if printed, _ := streamOf(t, text); code != 200 || len(printed) != len("sha256:\n")+64 {
		t.Errorf("quiet: %d %s", code, text)
	}
	_, text = s.send(t, "/build?version=2&memory=1000", bytes.NewReader(archive(t, "dockerfile", fromScratch, "a", "text")))
	if !strings.Contains(text, `"id":"moby.image.id"`) || !strings.Contains(text, "[Warning] memory has no effect: commands of a build have no limits") {
		t.Errorf("version 2: %s", text)
	}
	p := get[build.CachePruneReport](t, s, "POST", "/build/prune?all=1", "", 200)
	if len(p.CachesDeleted) == 0 {
		t.Errorf("%+v", p)
	}
}

// TestFailingBuilds: what is wrong before anything is built has a status; what goes
// wrong later is in the stream.
func TestFailingBuilds(t *testing.T) {
	s := serve(t)
	t.Cleanup(func() { s.noImages(t) })
	file := func(text string) []byte { return archive(t, "Dockerfile", text) }
	for query, want := range map[string]string{
		"": "Cannot locate specified Dockerfile: Dockerfile", "dockerfile=x": "Cannot locate specified Dockerfile: x",
		"dockerfile=../../etc/passwd": "", "squash=1": "squash is only supported with experimental mode", "isolation=hyperv": "invalid isolation 'hyperv' on linux",
		"t=A": "", "t=a@sha256:" + strings.Repeat("a", 64): "build tag cannot contain a digest", "buildargs=x": "", "labels=1": "", "ulimits=[null]": "", "ulimits=x": "", "shmsize=-1": "", "shmsize=x": "",
		"networkmode=nosuch": "", "extrahosts=x": "", "platform=windows": "", "remote=client-session": "", "session=x": "",
	} {
		code, text := s.send(t, "/build?"+query, bytes.NewReader(archive(t, "f", "x")))
		if code != 400 || want != "" && sentence(text) != want {
			t.Errorf("%s: %d %s, want %q", query, code, text, want)
		}
	}
	for query, want := range map[string]int{"remote=https://x/y.git": 501, "platform=linux/amd64,linux/arm64": 501, "outputs=x": 501} {
		if code, text := s.send(t, "/build?"+query, bytes.NewReader(file(fromScratch))); code != want {
			t.Errorf("%s: %d %s", query, code, text)
		}
	}
	for name, tt := range map[string]struct {
		body []byte
		want string
	}{
		"no body": {nil, "Cannot locate specified Dockerfile: Dockerfile"}, "no archive": {[]byte("FROM scratch\n"), ""}, "half": {file(fromScratch)[:540], ""},
		"no instruction": {file("FRO scratch\n"), "dockerfile parse error on line 1: unknown instruction: FRO (did you mean FROM?)"}, "empty": {file(""), "the Dockerfile (Dockerfile) cannot be empty"},
	} {
		if code, text := s.send(t, "/build", bytes.NewReader(tt.body)); code != 400 || tt.want != "" && sentence(text) != tt.want {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
	code, text := s.send(t, "/build", bytes.NewReader(file("FROM scratch\nCOPY nosuch /\n")))
	if _, end := streamOf(t, text); code != 200 || !strings.Contains(end.Error, `"/nosuch": not found`) || end.ErrorDetail.Message != end.Error {
		t.Errorf("%d %s", code, text)
	}
	code, text = s.send(t, "/build?q=1", bytes.NewReader(file("FROM scratch\nLABEL a=b\nCOPY nosuch /\n")))
	if printed, end := streamOf(t, text); code != 200 || !strings.HasPrefix(printed, "Step 1/3 : FROM scratch\n") || !strings.Contains(end.Error, `"/nosuch": not found`) {
		t.Errorf("quiet: %d %s", code, text)
	}
	if code, text := s.send(t, "/build?q=1", bytes.NewReader(file("FRO scratch\n"))); code != 400 {
		t.Errorf("quiet: %d %s", code, text)
	}
	if code, text := s.send(t, "/build", bytes.NewReader(file(fromScratch)), "X-Registry-Config", "%"); code != 200 {
		t.Errorf("%d %s", code, text)
	}
	checkRefusals(t, s, []refusal{
		{"POST", "/build/cancel", "", 400, "build ID not provided"}, {"POST", "/session", "", 400, "the connection is to be upgraded to h2c"}, {"POST", "/grpc", "", 400, "the connection is to be upgraded to h2c"},
		{"POST", "/build/prune?keep-storage=x", "", 400, ""}, {"POST", "/build/prune?min-free-space=5", "", 501, ""}, {"POST", "/build/prune" + filters(`{"x":["y"]}`), "", 400, "invalid filter 'x'"},
	})
}

// TestHostileContext: names and links of an archive lead nowhere but into the context.
func TestHostileContext(t *testing.T) {
	s := serve(t)
	t.Cleanup(func() { s.noImages(t) })
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "../../../escaped", Typeflag: tar.TypeReg, Mode: 0o644}, {Name: "up", Typeflag: tar.TypeSymlink, Linkname: "../../../../.."},
		{Name: "up/etc/escaped", Typeflag: tar.TypeReg, Mode: 0o644}, {Name: "Dockerfile", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	if code, text := s.send(t, "/build", &b); code != 400 || strings.Contains(text, "root:") {
		t.Errorf("%d %s", code, text)
	}
	for i := range 3 {
		name := "etc/passwd"
		data := archive(t, "Dockerfile", "FROM scratch\nCOPY "+strings.Repeat("../", i+1)+name+" /p\n")
		if _, text := s.send(t, "/build", bytes.NewReader(data)); !strings.Contains(text, "not found") {
			t.Errorf("%s", text)
		}
	}
}

// TestLeaveBuild: a build ends with its client.
func TestLeaveBuild(t *testing.T) {
	s := serve(t)
	conn, err := net.Dial("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	data := archive(t, "Dockerfile", fromScratch, "a", strings.Repeat("x", 100000))
	fmt.Fprintf(conn, "POST /build?t=half HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n", len(data))
	if _, err := conn.Write(data[:50000]); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	begun := time.Now()
	s.end()
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("the server ended after %v", took)
	}
	if ix, err := s.e.images().Index(t.Context()); err != nil || len(ix.Images) > 0 {
		t.Errorf("%+v, %v", ix, err)
	}
}

// TestCancelBuild: a build that has an ID is canceled by it, and no other is.
func TestCancelBuild(t *testing.T) {
	s := serve(t)
	get[string](t, s, "POST", "/build/cancel?id=nobody", "", 200)
	data := archive(t, "Dockerfile", fromScratch, "a", strings.Repeat("x", 100000))
	r, w := io.Pipe()
	defer w.Close()
	type answer struct {
		code int
		text string
	}
	answered := make(chan answer)
	go func() {
		code, text := s.send(t, "/build?buildid=one%20build", r)
		answered <- answer{code, text}
	}()
	if _, err := w.Write(data[:50000]); err != nil { // the rest never comes
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case a := <-answered:
			if _, end := streamOf(t, a.text); a.code != 200 || end.Error != "Build cancelled" {
				t.Errorf("%+v", a)
			}
			return
		case <-tick.C:
			get[string](t, s, "POST", "/build/cancel?id=one", "", 200)
			get[string](t, s, "POST", "/build/cancel?id=one%20build", "", 200)
		}
	}
}

// TestRunningBuilds: a build is canceled by its own ID until it has ended.
func TestRunningBuilds(t *testing.T) {
	var r running
	a, endA := r.begin(t.Context(), "a")
	b, endB := r.begin(t.Context(), "b")
	twin, endTwin := r.begin(t.Context(), "a")
	none, endNone := r.begin(t.Context(), "")
	r.cancel("a")
	r.cancel("")
	if a.Err() == nil || twin.Err() == nil || b.Err() != nil || none.Err() != nil {
		t.Error(a.Err(), twin.Err(), b.Err(), none.Err())
	}
	for _, end := range []func(){endA, endB, endTwin, endNone} {
		end()
	}
	if b.Err() == nil || none.Err() == nil || len(r.all) != 0 {
		t.Error(b.Err(), none.Err(), r.all)
	}
}

func TestBuildAuths(t *testing.T) {
	s := serve(t)
	t.Cleanup(func() { s.noImages(t) })
	host := private(t)
	s.e.Access.ConfigDir = t.TempDir()
	s.imported(t, "&repo="+host+"/base")
	auth := func(v string) string { return base64.URLEncoding.EncodeToString([]byte(v)) }
	if _, text := s.send(t, "/images/"+host+"/base/push?tag=latest", nil, "X-Registry-Auth", auth(`{"username":"me","password":"secret"}`)); strings.Contains(text, "errorDetail") {
		t.Fatal(text)
	}
	body := archive(t, "Dockerfile", "FROM "+host+"/base\nLABEL a=b\n")
	for header, want := range map[string]bool{
		`{}`: false, `{"other":{"username":"me","password":"secret"}}`: false,
		`{"` + host + `":{"username":"me","password":"secret"}}`: true, `{"http://` + host + `":{"username":"me","password":"secret"}}`: true,
	} {
		_, text := s.send(t, "/build?pull=1", bytes.NewReader(body), "X-Registry-Config", auth(header))
		if got := strings.Contains(text, "Successfully built"); got != want {
			t.Errorf("%s: %s", header, text)
		}
	}
}

// TestBuildStream: the stream of the builder before BuildKit, line by line. A second
// build takes from the cache what it can.
func TestBuildStream(t *testing.T) {
	s := serve(t)
	t.Cleanup(func() { s.noImages(t) })
	body := archive(t, "a", "text", "Dockerfile", "ARG BASE=scratch\nFROM $BASE AS one\nCOPY a /a\nENV A=1\nFROM scratch AS unused\nCOPY a /unused\nFROM one\nWORKDIR /w\nLABEL a=$A\n")
	id := regexp.MustCompile(`[0-9a-f]{12}`)
	for i, want := range []string{
		`Step 1/7 : ARG BASE=scratch|Step 2/7 : FROM $BASE AS one| ---> |Step 3/7 : COPY a /a| ---> 0|Step 4/7 : ENV A=1| ---> 1|Step 5/7 : FROM one| ---> 1|` +
			`Step 6/7 : WORKDIR /w| ---> Running in 2| ---> Removed intermediate container 2| ---> 3|Step 7/7 : LABEL a=$A| ---> 4|Successfully built 4|`,
		`Step 1/7 : ARG BASE=scratch|Step 2/7 : FROM $BASE AS one| ---> |Step 3/7 : COPY a /a| ---> Using cache| ---> 0|Step 4/7 : ENV A=1| ---> 1|Step 5/7 : FROM one| ---> 1|` +
			`Step 6/7 : WORKDIR /w| ---> Using cache| ---> 2|Step 7/7 : LABEL a=$A| ---> 3|Successfully built 3|`,
	} {
		_, text := s.send(t, "/build", bytes.NewReader(body))
		printed, end := streamOf(t, text)
		var seen []string // IDs by when they come first
		got := id.ReplaceAllStringFunc(printed, func(id string) string {
			if !slices.Contains(seen, id) {
				seen = append(seen, id)
			}
			return strconv.Itoa(slices.Index(seen, id))
		})
		if got = strings.ReplaceAll(got, "\n", "|"); got != want || end.Error != "" {
			t.Errorf("build %d:\n got %s\nwant %s\n%s", i, got, want, end.Error)
		}
		if _, rest, ok := strings.Cut(text, `{"aux":{"ID":"sha256:`); !ok || rest[:12] != seen[len(seen)-1] {
			t.Errorf("build %d: %s", i, text)
		}
	}
}

func TestFailedCommand(t *testing.T) {
	if m := failedCommand().FindStringSubmatch(`process "/bin/sh -c exit 3" did not complete successfully: exit code: 3`); m == nil || m[2] != "3" {
		t.Error(m)
	}
}
