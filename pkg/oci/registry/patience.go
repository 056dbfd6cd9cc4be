// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net/http"
	"strconv"
	"time"
)

// maxPatience is how long a registry that is asked too often may let us wait,
// for one answer.
const maxPatience = 60 * time.Second

// patience repeats requests that a registry puts off (RFC 6585, 429; RFC 9110,
// Retry-After).
type patience struct{ inner http.RoundTripper }

func (p *patience) RoundTrip(r *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := p.inner.RoundTrip(r)
		if err != nil || try == maxTries || r.Body != nil && r.GetBody == nil {
			return resp, err
		}
		wait, ok := putOff(resp, try)
		if !ok {
			return resp, nil
		}
		next, err := again(r)
		if err != nil {
			return resp, nil
		}
		resp.Body.Close()
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(wait):
		}
		r = next
	}
}

// putOff is how long a registry wants us to wait. One that wants more than is
// sensible has its answer shown instead.
func putOff(resp *http.Response, try int) (time.Duration, bool) {
	after := resp.Header.Get("Retry-After")
	if resp.StatusCode != http.StatusTooManyRequests && !(resp.StatusCode == http.StatusServiceUnavailable && after != "") {
		return 0, false
	}
	wait := time.Duration(try) * time.Second
	if n, err := strconv.Atoi(after); err == nil {
		if n > int(maxPatience/time.Second) {
			return 0, false
		}
		wait = time.Duration(max(n, 0)) * time.Second
	} else if t, err := http.ParseTime(after); err == nil {
		wait = max(time.Until(t), 0)
	}
	return wait, wait <= maxPatience
}
