// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	api "github.com/moby/moby/api/types/registry"
)

// bystander is a service at an address that the registry is not on.
func bystander(t *testing.T) (url string, reached *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	reached = new(atomic.Int32)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		_, _ = io.WriteString(w, `{"token":"t"}`)
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return "http://" + l.Addr().String(), reached
}

// A registry leads to no service that only this machine can reach.
func TestRegistryLeadsToNoStrangers(t *testing.T) {
	url, reached := bystander(t)
	if resp, err := http.Get(url); err != nil || reached.Load() != 1 {
		t.Fatalf("the bystander cannot be reached at all: %v", err)
	} else {
		resp.Body.Close()
	}
	upload := func(r *Repository) error {
		return r.PutBlob(t.Context(), descriptor(), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil })
	}
	fetch := func(r *Repository) error { _, err := r.Manifest(t.Context(), "latest"); return err }
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		do     func(*Repository) error
	}{
		"a redirect of the ping":   {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, url, http.StatusFound) }, fetch},
		"a redirect of a manifest": {anonymous(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, url, http.StatusFound) }), fetch},
		"a redirect by https": {anonymous(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, strings.Replace(url, "http:", "https:", 1), http.StatusFound)
		}), fetch},
		"a redirect by another name": {anonymous(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, strings.Replace(url, "127.0.0.2", "[::ffff:127.0.0.2]", 1), http.StatusFound)
		}), fetch},
		"a place for an upload": {anonymous(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", url)
			w.WriteHeader(http.StatusAccepted)
		}), upload},
		"a token server": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+url+`"`)
			w.WriteHeader(http.StatusUnauthorized)
		}, fetch},
		"a token server, later": {anonymous(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+url+`"`)
			w.WriteHeader(http.StatusUnauthorized)
		}), fetch},
	} {
		reached.Store(0)
		asked := false
		repo := serve(t, "", func(w http.ResponseWriter, r *http.Request) { asked = true; c.answer(w, r) })
		if err := c.do(repo); err == nil || !asked {
			t.Errorf("%s: no error, asked: %v", name, asked)
		}
		if reached.Load() > 0 {
			t.Errorf("%s: A STRANGER WAS ASKED", name)
		}
	}
}

func TestWhereARegistryMayLead(t *testing.T) {
	for _, c := range []struct {
		own, to string
		want    bool
	}{
		{"93.184.216.34", "93.184.216.35", true}, {"93.184.216.34", "10.0.0.1", false}, {"93.184.216.34", "127.0.0.1", false},
		{"93.184.216.34", "169.254.169.254", false}, {"93.184.216.34", "fd00:ec2::254", false}, {"93.184.216.34", "100.100.100.200", false},
		{"93.184.216.34", "168.63.129.16", false}, {"10.0.0.1", "fd20:ce::254", false}, {"10.0.0.1", "fd00:100::100:200", false},
		{"93.184.216.34", "::ffff:127.0.0.1", false}, {"93.184.216.34", "64:ff9b::7f00:1", false}, {"93.184.216.34", "0.0.0.0", false},
		{"93.184.216.34", "fe80::1", false}, {"93.184.216.34", "192.0.0.192", false}, {"93.184.216.34", "2606:2800:220:1::1", true},
		{"10.0.0.1", "10.0.0.1", true}, {"10.0.0.1", "192.168.1.1", true}, {"10.0.0.1", "127.0.0.1", false}, {"10.0.0.1", "169.254.169.254", false},
		{"10.0.0.1", "fd00:ec2::254", false}, {"127.0.0.1", "127.0.0.1", true}, {"127.0.0.1", "127.0.0.2", false}, {"127.0.0.1", "10.0.0.1", false},
		{"169.254.1.1", "169.254.1.1", true}, {"169.254.1.1", "169.254.169.254", false},
	} {
		g := &guard{own: map[netip.Addr]bool{netip.MustParseAddr(c.own): true}}
		if err := g.check(netip.MustParseAddr(c.to)); (err == nil) != c.want {
			t.Errorf("%s to %s: %v", c.own, c.to, err)
		}
	}
}

// The name of a registry may have any address: only the one that answers counts.
func TestOnlyWhatAnswersIsTheRegistrys(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	own := netip.MustParseAddr("127.0.0.1")
	g := &guard{host: l.Addr().String(), own: map[netip.Addr]bool{}}
	conn, err := g.dial(t.Context(), "tcp", g.host)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := g.check(own); err != nil {
		t.Errorf("the registry's own: %v", err)
	}
	l.Close()
	g.own = map[netip.Addr]bool{}
	if _, err := g.dial(t.Context(), "tcp", g.host); err == nil {
		t.Fatal("nobody listens, and there is a connection")
	}
	if g.check(own) == nil {
		t.Error("an address that does not answer is the registry's")
	}
}

// Whoever the registry names for tokens, blobs or uploads: only hosts of its own
// domain see what we are known by.
func TestStrangersSeeNoCredentials(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Authorization"))
	}))
	defer srv.Close()
	inner := srv.Client().Transport.(*http.Transport).Clone()
	inner.TLSClientConfig.InsecureSkipVerify = true
	inner.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, srv.Listener.Addr().String())
	}
	for _, c := range []struct {
		host, to, header, want string
	}{
		{"index.docker.io", "index.docker.io", "Basic x", "Basic x"}, {"index.docker.io", "auth.docker.io", "Basic x", "Basic x"},
		{"index.docker.io", "auth.docker.io.evil.example", "Basic x", ""}, {"index.docker.io", "elsewhere.example", "basic x", ""},
		{"a.github.io", "b.github.io", "Basic x", ""}, {"10.0.0.1", "11.0.0.1", "Basic x", ""}, {"r.example:5000", "r.example", "Basic x", "Basic x"},
		{"r.example", "stranger.test", "Bearer of.the.stranger", "Bearer of.the.stranger"},
	} {
		g := &guard{inner: inner, host: c.host, own: map[netip.Addr]bool{}}
		req, err := http.NewRequest(http.MethodGet, "https://"+c.to+"/token", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", c.header)
		resp, err := g.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != c.want {
			t.Errorf("%s, asked for %s, sees %q", c.to, c.host, got)
		}
		if want := req.Header.Get("Authorization"); want != c.header {
			t.Errorf("the caller's request has changed: %q", want)
		}
	}
	g := &guard{inner: inner, host: "r.example", own: map[netip.Addr]bool{}}
	req, err := http.NewRequest(http.MethodPost, "https://stranger.test/token", strings.NewReader("refresh_token=secret"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if _, err := g.RoundTrip(req); err == nil {
		t.Error("A REFRESH TOKEN WAS SENT TO A STRANGER")
	}
}

// bearer wants a token for what passes the filter, which its own /token gives.
func bearer(wanted func(*http.Request) bool, f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			_, _ = io.WriteString(w, `{"token":"for `+r.URL.Query().Get("scope")+`"}`)
		case wanted(r) && !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer for repository:x:p"):
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="s"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			f(w, r)
		}
	}
}

// The challenge counts wherever it comes, whether we have credentials or not.
func TestChallengeThatComesLate(t *testing.T) {
	for _, auth := range []string{"", "dTpw"} {
		for name, late := range map[string]func(*http.Request) bool{
			"at once":      func(*http.Request) bool { return true },
			"at manifests": func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") },
			"at blobs":     func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/") },
		} {
			repo := serve(t, auth, bearer(late, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.Contains(r.URL.Path, "/manifests/"):
					_, _ = io.WriteString(w, `{"schemaVersion":2}`)
				case strings.Contains(r.URL.Path, "/blobs/"):
					_, _ = io.WriteString(w, content)
				}
			}))
			if _, err := repo.Manifest(t.Context(), "latest"); err != nil {
				t.Errorf("%s, credentials %q: %v", name, auth, err)
			}
			if got, err := readBlob(repo, descriptor()); err != nil || got != content {
				t.Errorf("%s, credentials %q: %q, %v", name, auth, got, err)
			}
		}
	}
}

func TestRegistryThatPutsOff(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		after  string
		want   bool
	}{
		"429": {http.StatusTooManyRequests, "0", true}, "429 with a date": {http.StatusTooManyRequests, time.Unix(1, 0).UTC().Format(http.TimeFormat), true},
		"503": {http.StatusServiceUnavailable, "0", true}, "503 without a time": {http.StatusServiceUnavailable, "", false},
		"429 for a day": {http.StatusTooManyRequests, "86400", false},
	} {
		var asked atomic.Int32
		repo := serve(t, "", func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1)%2 == 1 { // the ping, too
				if c.after != "" {
					w.Header().Set("Retry-After", c.after)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`)
				return
			}
			_, _ = io.WriteString(w, `{"schemaVersion":2}`)
		})
		if _, err := repo.Manifest(t.Context(), "latest"); (err == nil) != c.want {
			t.Errorf("%s: %v after %d requests", name, err, asked.Load())
		}
	}
}

// An upload is put off, or asked who it is, when its bytes are on the way.
func TestUploadThatIsPutOff(t *testing.T) {
	for name, refuse := range map[string]http.HandlerFunc{
		"429": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"401": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="late"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
	} {
		var puts atomic.Int32
		var got atomic.Value
		repo := serve(t, "", func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				w.Header().Set("Location", "/upload")
				w.WriteHeader(http.StatusAccepted)
			case r.Method == http.MethodPut && puts.Add(1) == 1:
				refuse(w, r)
			case r.Method == http.MethodPut:
				body, _ := io.ReadAll(r.Body)
				got.Store(string(body))
				w.WriteHeader(http.StatusCreated)
			}
		})
		repo.c.access.Auth = &api.AuthConfig{Username: "u", Password: "p"}
		err := repo.PutBlob(t.Context(), descriptor(), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil })
		if err != nil || got.Load() != content || puts.Load() != 2 {
			t.Errorf("%s: %v, %q after %d uploads", name, err, got.Load(), puts.Load())
		}
	}
}

func TestPatienceEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	repo := serve(t, "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "50")
		w.WriteHeader(http.StatusTooManyRequests)
		cancel()
	})
	if _, err := repo.Manifest(ctx, "latest"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A registry that is named insecure is spoken to by https first.
func TestInsecureRegistryWithTLS(t *testing.T) {
	srv := httptest.NewTLSServer(basic(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"schemaVersion":2}`) }))
	defer srv.Close()
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	host := strings.TrimPrefix(srv.URL, "https://")
	for _, c := range []struct {
		insecure       bool
		password, want string
	}{{true, "p", ""}, {true, "wrong", "401"}, {false, "p", "certificate"}} {
		client := &Client{access: Access{UserAgent: "test", Auth: &api.AuthConfig{Username: "u", Password: c.password}}}
		if c.insecure {
			client.config.Registries = []Entry{{Location: host, Insecure: true}}
		}
		repo, err := client.Repository(host, "x", Pull)
		if err != nil {
			t.Fatal(err)
		}
		_, err = repo.Manifest(t.Context(), "latest")
		var e *Error
		switch {
		case c.want == "" && err != nil, c.want == "certificate" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v: %v", c, err)
		case c.want == "401" && (!errors.As(err, &e) || e.Status != http.StatusUnauthorized):
			t.Errorf("%+v: %v", c, err)
		}
	}
}
