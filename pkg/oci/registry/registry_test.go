// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// serve starts a registry that answers with f, and returns its repository x.
// auth is what we are known by there, as in config.json.
func serve(t *testing.T, auth string, f http.HandlerFunc) *Repository {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "http://")
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("REGISTRY_AUTH_FILE", "")
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if auth != "" {
		text := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, auth)
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := &Client{access: Access{UserAgent: "test"}}
	repo, err := c.Repository(host, "x", Pull)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// anonymous lets everybody in.
func anonymous(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			f(w, r)
		}
	}
}

// basic wants the credentials dTpw, from the first request on.
func basic(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Basic dTpw" {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f(w, r)
	}
}

const content = "the bytes of a layer, which are long enough to be cut in two"

func descriptor() ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.FromString(content), Size: int64(len(content))}
}

func readBlob(repo *Repository, d ocispec.Descriptor) (string, error) {
	b, err := repo.Blob(context.Background(), d)
	if err != nil {
		return "", err
	}
	defer b.Close()
	data, err := io.ReadAll(b)
	return string(data), err
}

func TestBlobMustBeWhatItsDigestSays(t *testing.T) {
	for name, answer := range map[string]string{
		"flipped": strings.Replace(content, "bytes", "bytEs", 1), "longer": content + "!", "empty": "",
	} {
		for _, chunked := range []bool{false, true} {
			repo := serve(t, "", anonymous(func(w http.ResponseWriter, _ *http.Request) {
				if chunked {
					w.(http.Flusher).Flush()
				}
				_, _ = io.WriteString(w, answer)
			}))
			if _, err := readBlob(repo, descriptor()); err == nil {
				t.Errorf("%s, chunked %v: WRONG CONTENT WAS ACCEPTED", name, chunked)
			}
		}
	}
}

func TestBlobIsResumed(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		var asked atomic.Int32
		repo := serve(t, "", anonymous(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			from := 0
			if h := r.Header.Get("Range"); h != "" && ranges {
				_, _ = fmt.Sscanf(h, "bytes=%d-", &from)
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(content)-from))
			if from > 0 {
				w.WriteHeader(http.StatusPartialContent)
			}
			if asked.Load() < 3 {
				_, _ = io.WriteString(w, content[from:from+20])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, content[from:])
		}))
		if got, err := readBlob(repo, descriptor()); err != nil || got != content {
			t.Errorf("ranges %v: %q, %v", ranges, got, err)
		}
	}
}

func TestTruncatedBlobEnds(t *testing.T) {
	repo := serve(t, "", anonymous(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = io.WriteString(w, content[:10])
	}))
	if _, err := readBlob(repo, descriptor()); err == nil {
		t.Error("A PART WAS TAKEN FOR THE WHOLE")
	}
}

func TestStalledBlobEnds(t *testing.T) {
	old := stallTime
	stallTime = 50 * time.Millisecond
	defer func() { stallTime = old }()
	done := make(chan struct{})
	repo := serve(t, "", anonymous(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = io.WriteString(w, content[:10])
		w.(http.Flusher).Flush()
		select {
		case <-done:
		case <-r.Context().Done():
		}
	}))
	defer close(done)
	if _, err := readBlob(repo, descriptor()); err == nil {
		t.Error("A PART WAS TAKEN FOR THE WHOLE")
	}
}

func TestBadDigests(t *testing.T) {
	repo := serve(t, "", anonymous(func(http.ResponseWriter, *http.Request) { t.Error("was asked") }))
	for _, d := range []string{"", "sha256:", "sha256:../../etc/passwd", "sha512:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "SHA256:" + strings.Repeat("a", 64)} {
		if _, err := readBlob(repo, ocispec.Descriptor{Digest: digest.Digest(d), Size: 1}); err == nil {
			t.Errorf("%q was accepted", d)
		}
	}
}

func TestManifestLimits(t *testing.T) {
	repo := serve(t, "", anonymous(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/x/manifests/huge" {
			_, _ = io.WriteString(w, `{"a":"`+strings.Repeat("x", maxManifest)+`"}`)
			return
		}
		_, _ = io.WriteString(w, `{"schemaVersion":2}`)
	}))
	for _, ref := range []string{"huge", digest.FromString("other").String()} {
		if _, err := repo.Manifest(context.Background(), ref); err == nil {
			t.Errorf("%s was accepted", ref)
		}
	}
	if _, err := repo.Manifest(context.Background(), "good"); err != nil {
		t.Error(err)
	}
}

// stranger is a server that must not see a credential.
func stranger(t *testing.T, f http.HandlerFunc) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := r.Header.Get("Authorization"); h != "" {
			t.Errorf("CREDENTIALS WERE SENT TO A STRANGER: %s %s", r.Method, r.URL)
		}
		f(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestRedirectGetsNoCredentials(t *testing.T) {
	other := stranger(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, content) })
	seen := false
	repo := serve(t, "dTpw", basic(func(w http.ResponseWriter, r *http.Request) {
		seen = true
		http.Redirect(w, r, other.URL+"/blob", http.StatusTemporaryRedirect)
	}))
	if got, err := readBlob(repo, descriptor()); err != nil || got != content || !seen {
		t.Errorf("%q, %v, asked with credentials: %v", got, err, seen)
	}
}

func TestUploadElsewhereGetsNoCredentials(t *testing.T) {
	other := stranger(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
	repo := serve(t, "dTpw", basic(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", other.URL+"/upload")
		w.WriteHeader(http.StatusAccepted)
	}))
	err := repo.PutBlob(context.Background(), descriptor(), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil })
	if err != nil {
		t.Error(err)
	}
}

func TestTokenServerElsewhereGetsNoCredentials(t *testing.T) {
	other := stranger(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"token":"t"}`) })
	repo := serve(t, "dTpw", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+other.URL+`/token",service="s"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	if _, err := repo.Manifest(context.Background(), "latest"); err == nil {
		t.Error("no error")
	}
}

func TestPlainHTTPIsForInsecureRegistries(t *testing.T) {
	g := &guard{inner: &http.Transport{}, host: "registry.invalid"}
	for _, url := range []string{"http://registry.invalid/v2/", "http://10.0.0.1:5000/v2/", "http://elsewhere.invalid/blob"} {
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.RoundTrip(req)
		var plain *plainError
		if !errors.As(err, &plain) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	repo := serve(t, "", anonymous(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"requested access\u001b[2J to the resource is denied"}]}`)
	}))
	_, err := repo.Manifest(context.Background(), "latest")
	var e *Error
	if !errors.As(err, &e) || !e.Denied() || err.Error() != "requested access[2J to the resource is denied" {
		t.Errorf("%v", err)
	}
}

func TestEndpoints(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registries.conf")
	err := os.WriteFile(file, []byte(`
[[registry]]
prefix = "docker.io"
location = "docker.io"
[[registry.mirror]]
location = "mirror.example:5000/hub"
insecure = true
[[registry]]
prefix = "docker.io/team"
location = "own.example"
[[registry]]
prefix = "*.old.example"
location = "new.example/archive"
[[registry]]
prefix = "bad.example"
blocked = true
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := ReadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		domain, path string
		want         string
	}{
		{"docker.io", "library/busybox", "mirror.example:5000/hub/library/busybox! docker.io/library/busybox"},
		{"docker.io", "team/app", "own.example/app"},
		{"docker.io", "teamwork/app", "mirror.example:5000/hub/teamwork/app! docker.io/teamwork/app"},
		{"a.old.example", "x", "new.example/archive/x"},
		{"other.example", "x", "other.example/x"},
		{"localhost:5000", "x", "localhost:5000/x!"},
		{"bad.example", "x", "registry is blocked by registries.conf: bad.example"},
	} {
		list, err := conf.endpoints(tt.domain, tt.path, true)
		var got []string
		for _, e := range list {
			s := e.host + "/" + e.path
			if e.insecure {
				s += "!"
			}
			got = append(got, s)
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s/%s: %s, want %s", tt.domain, tt.path, s, tt.want)
		}
	}
}

func TestLoginKeepsOtherSettings(t *testing.T) {
	repo := serve(t, "", basic(func(http.ResponseWriter, *http.Request) {}))
	host := repo.endpoints[0].host
	file := filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json")
	if err := os.WriteFile(file, []byte(`{"psFormat":"kept"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := repo.c.Login(ctx, host, "u", "wrong"); err == nil || !strings.Contains(err.Error(), "401 Unauthorized") {
		t.Errorf("a wrong password: %v", err)
	}
	if err := repo.c.Login(ctx, host, "u", "p"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), `"psFormat": "kept"`) || !strings.Contains(string(text), "dTpw") {
		t.Errorf("%s %v", text, err)
	}
	if user, password := repo.c.access.StoredLogin(host); user != "u" || password != "p" {
		t.Errorf("stored: %q %q", user, password)
	}
	if known, err := repo.c.access.Logout(host); !known || err != nil {
		t.Errorf("logout: %v %v", known, err)
	}
	if known, err := repo.c.access.Logout(host); known || err != nil {
		t.Errorf("second logout: %v %v", known, err)
	}
}
