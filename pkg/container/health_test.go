// SPDX-License-Identifier: Apache-2.0

package container

import (
	"slices"
	"testing"
	"time"
)

// TestHealthAfter follows a container through its checks: o is a success, x a
// failure, X one in the start period.
func TestHealthAfter(t *testing.T) {
	for _, tt := range []struct {
		checks string
		want   string
		streak int
	}{
		{"", HealthStarting, 0},
		{"o", Healthy, 0},
		{"xx", HealthStarting, 2},
		{"xxx", Unhealthy, 3},
		{"XXXXX", HealthStarting, 0},
		{"XXXXXxx", HealthStarting, 2},
		{"XoXXX", Unhealthy, 3}, // the start period ends with the first success
		{"xxxo", Healthy, 0},
		{"oxx", Healthy, 2},
		{"oxxoxxx", Unhealthy, 3},
	} {
		h := Health{Status: HealthStarting}
		for i, c := range tt.checks {
			code := 1
			if c == 'o' {
				code = 0
			}
			h = h.After(Probe{ExitCode: code, Start: time.Unix(int64(i), 0)}, 3, c == 'X')
		}
		if h.Status != tt.want || h.FailingStreak != tt.streak {
			t.Errorf("%q: %s with %d failures, want %s with %d", tt.checks, h.Status, h.FailingStreak, tt.want, tt.streak)
		}
		if n := len(h.Log); n != min(len(tt.checks), 5) || n > 0 && h.Log[n-1].Start.Unix() != int64(len(tt.checks)-1) {
			t.Errorf("%q: %d checks are kept, the last is not the last", tt.checks, n)
		}
	}
}

func TestHealthCheck(t *testing.T) {
	for _, tt := range []struct {
		h    HealthCheck
		want string
	}{
		{HealthCheck{}, ""},
		{HealthCheck{Test: []string{"CMD", "x"}, Interval: time.Second}, ""},
		{HealthCheck{Test: []string{"RUN", "x"}}, `unknown type "RUN" in Healthcheck`},
		{HealthCheck{Interval: time.Microsecond}, "Interval in Healthcheck cannot be less than 1ms"},
		{HealthCheck{Timeout: 1}, "Timeout in Healthcheck cannot be less than 1ms"},
		{HealthCheck{StartPeriod: 1}, "StartPeriod in Healthcheck cannot be less than 1ms"},
		{HealthCheck{Retries: -1}, "Retries in Healthcheck cannot be negative"},
	} {
		got := ""
		if err := tt.h.Check(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.h, got, tt.want)
		}
	}
	shell := HealthCheck{Test: []string{"CMD-SHELL", "a b"}, Shell: []string{"/bin/ash", "-ec"}}
	if got := shell.Command(); !slices.Equal(got, []string{"/bin/ash", "-ec", "a b"}) {
		t.Errorf("command: %q", got)
	}
	for _, off := range []*HealthCheck{nil, {}, {Test: []string{"NONE"}}} {
		if off.Enabled() {
			t.Errorf("%+v is enabled", off)
		}
	}
}
