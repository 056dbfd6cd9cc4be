// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ping asks a registry for /v2/: by https, and where nothing answers in that
// and the registry may be insecure, by http. A certificate that is wrong is an
// answer.
func ping(ctx context.Context, t http.RoundTripper, host string, insecure bool) (*http.Response, error) {
	resp, err := pingBy(ctx, t, "https", host)
	var cert *tls.CertificateVerificationError
	if err == nil || !insecure || ctx.Err() != nil || errors.As(err, &cert) {
		return resp, err
	}
	plain, perr := pingBy(ctx, t, "http", host)
	var record tls.RecordHeaderError
	if perr != nil && (ctx.Err() != nil || errors.As(err, &record)) {
		return nil, perr
	}
	if perr != nil {
		return nil, err
	}
	return plain, nil
}

func pingBy(ctx context.Context, t http.RoundTripper, scheme, host string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+"/v2/", nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return nil, err
	}
	return hold(resp)
}

// maxRefusal is what is read of an answer that says no.
const maxRefusal = 64 << 10

// hold reads the little that such an answer says, so that it can be shown again.
func hold(resp *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// answered gives the first request an answer that is there already: the library
// that shakes hands begins with a ping, and we know what that would say.
type answered struct {
	http.RoundTripper
	mu   sync.Mutex
	resp *http.Response
}

func (a *answered) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	resp := a.resp
	a.resp = nil
	a.mu.Unlock()
	if resp != nil {
		return resp, nil
	}
	return a.RoundTripper.RoundTrip(r)
}

// session shows our credentials to one registry. Most ask for them at /v2/,
// some only when a manifest or a blob is wanted: then the challenge of that
// answer counts, and the request is made again.
type session struct {
	plain  http.RoundTripper // without credentials
	reg    name.Registry
	auth   authn.Authenticator
	scopes []string

	mu   sync.Mutex
	open http.RoundTripper
	late bool // the handshake came from a request's answer
}

// begin takes the answer to a ping for how to go on.
func (s *session) begin(ctx context.Context, resp *http.Response) (err error) {
	s.late = resp.StatusCode == http.StatusUnauthorized
	s.open, err = s.shake(ctx, resp)
	return err
}

// shake makes a transport of the answer to a request without credentials.
func (s *session) shake(ctx context.Context, resp *http.Response) (http.RoundTripper, error) {
	return transport.NewWithContext(ctx, s.reg, s.auth, &answered{RoundTripper: s.plain, resp: resp}, s.scopes)
}

func (s *session) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	rt, late := s.open, s.late
	s.mu.Unlock()
	resp, err := rt.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" || late ||
		r.URL.Host != s.reg.RegistryStr() || r.Body != nil && r.GetBody == nil {
		return resp, err
	}
	again, err := again(r)
	if err != nil {
		return resp, nil
	}
	if resp, err = hold(resp); err != nil {
		return nil, err
	}
	if rt, err = s.shake(r.Context(), resp); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.open, s.late = rt, true
	s.mu.Unlock()
	return rt.RoundTrip(again)
}

// again is a copy of a request that has been sent.
func again(r *http.Request) (*http.Request, error) {
	c := r.Clone(r.Context())
	c.Header.Del("Authorization") // of who sent it before
	if r.GetBody == nil {
		return c, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, fmt.Errorf("repeat request: %w", err)
	}
	c.Body = body
	return c, nil
}
