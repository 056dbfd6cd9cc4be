// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// stallTime is how long a registry may be silent; a variable for the tests.
var stallTime = 30 * time.Second

// Client knows how to reach registries.
type Client struct {
	config Config
	access Access
}

// New makes a client with the user's configuration.
func New(a Access) (*Client, error) {
	c, err := ReadConfig(ConfigFile())
	if err != nil {
		return nil, err
	}
	return &Client{config: c, access: a}, nil
}

// Repository is a repository on a registry, with its mirrors. Connections are
// made when something is asked for. It is safe for concurrent use.
type Repository struct {
	c         *Client
	domain    string
	endpoints []endpoint
	action    string
	from      []string

	mu   sync.Mutex
	open map[int]*connection
}

// Actions that a token is asked for.
const (
	Pull = "pull"
	Push = "push"
)

// Repository finds the repository path of the registry domain, both as in
// canonical names. from names other repositories of that registry which a push
// may mount blobs from.
func (c *Client) Repository(domain, path, action string, from ...string) (*Repository, error) {
	list, err := c.config.endpoints(domain, path, action == Pull)
	if err != nil {
		return nil, err
	}
	return &Repository{c: c, domain: domain, endpoints: list, action: action, from: from, open: map[int]*connection{}}, nil
}

// connection is an authenticated way to one endpoint.
type connection struct {
	base   string // https://host/v2/path
	client *http.Client
}

// connect returns the connection to endpoint i.
func (r *Repository) connect(ctx context.Context, i int) (*connection, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.open[i]; c != nil {
		return c, nil
	}
	e := r.endpoints[i]
	auth, err := r.c.access.authenticator(e, r.domain)
	if err != nil {
		return nil, fmt.Errorf("look up credentials for %s: %w", e.host, err)
	}
	reg, rt, err := r.c.authenticate(ctx, e, auth, func(reg name.Registry) []string {
		repo := reg.Repo(e.path)
		scopes := []string{repo.Scope(map[string]string{Pull: transport.PullScope, Push: transport.PushScope}[r.action])}
		for _, path := range r.from {
			from := reg.Repo(path)
			scopes = append(scopes, from.Scope(transport.PullScope))
		}
		return scopes
	})
	if err != nil {
		return nil, err
	}
	c := &connection{
		base:   fmt.Sprintf("https://%s/v2/%s", reg.RegistryStr(), e.path),
		client: &http.Client{Transport: rt},
	}
	r.open[i] = c
	return c, nil
}

// authenticate makes the transport that shows auth to the registry at e, and to
// nobody else. The scheme of requests is replaced by what the host speaks.
func (c *Client) authenticate(ctx context.Context, e endpoint, auth authn.Authenticator, scopes func(name.Registry) []string) (name.Registry, http.RoundTripper, error) {
	s, err := c.session(e, auth, scopes)
	if err != nil {
		return name.Registry{}, nil, err
	}
	resp, err := ping(ctx, s.plain, s.reg.RegistryStr(), e.insecure)
	if err == nil {
		err = s.begin(ctx, resp)
	}
	return s.reg, s, explain(e.hostname(), err)
}

// session is one with the registry at e, before a word was said.
func (c *Client) session(e endpoint, auth authn.Authenticator, scopes func(name.Registry) []string) (*session, error) {
	reg, err := name.NewRegistry(e.hostname())
	if err != nil {
		return nil, fmt.Errorf("registry %s: %w", e.hostname(), err)
	}
	inner, err := newHTTP(reg.RegistryStr(), e.insecure, e.named)
	if err != nil {
		return nil, err
	}
	plain := &patience{transport.NewUserAgent(inner, c.access.UserAgent)}
	return &session{plain: plain, reg: reg, auth: auth, scopes: scopes(reg)}, nil
}

// Error is a registry's refusal or failure.
type Error struct {
	Host   string
	Status int // HTTP's, or 0 when there was no answer
	Code   string
	err    error
	hint   string
}

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// Hint says what the user can do, or is empty.
func (e *Error) Hint() string { return e.hint }

// Denied reports whether the registry wants other credentials, or any.
func (e *Error) Denied() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}

func explain(host string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Host: host, err: err, hint: tlsHint(host, err)}
	var plain *plainError
	if errors.As(err, &plain) {
		e.hint = plain.Hint()
	}
	var te *transport.Error
	if errors.As(err, &te) {
		e.Status = te.StatusCode
		if len(te.Errors) > 0 {
			e.Code = string(te.Errors[0].Code)
			e.err = errors.New(printable(te.Errors[0].Message))
		} else {
			e.err = fmt.Errorf("unexpected status from %s: %s", host, http.StatusText(te.StatusCode))
		}
	}
	return e
}

// printable takes control characters out of what a registry says: they would
// reach the user's terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// request sends a request and checks the status. The caller closes the body.
func (c *connection) request(ctx context.Context, method, url string, header http.Header, body io.Reader, want ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, explain(req.URL.Host, err)
	}
	if err := transport.CheckError(resp, want...); err != nil {
		resp.Body.Close()
		return nil, explain(req.URL.Host, err)
	}
	return resp, nil
}

// each asks the endpoints in turn, until one gives an answer.
func (r *Repository) each(ctx context.Context, f func(*connection) error) error {
	var last error
	for i := range r.endpoints {
		c, err := r.connect(ctx, i)
		if err == nil {
			if err = f(c); err == nil {
				return nil
			}
		}
		if ctx.Err() != nil {
			return err
		}
		last = err
	}
	return last
}
