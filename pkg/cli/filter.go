// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// filters are the values of --filter by key.
type filters map[string][]string

// parseFilters reads --filter and refuses keys that the command does not know.
func parseFilters(list []string, known ...string) (filters, error) {
	f := filters{}
	for _, kv := range list {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, cliErrorf("invalid argument %q for \"-f, --filter\" flag: bad format of filter (expected name=value)", kv)
		}
		k = strings.ToLower(strings.TrimSpace(k))
		if !slices.Contains(known, k) {
			return nil, fmt.Errorf("invalid filter '%s'", k)
		}
		f[k] = append(f[k], strings.TrimSpace(v))
	}
	return f, nil
}

// any reports whether no value was given for key, or one that match accepts.
func (f filters) any(key string, match func(string) bool) bool {
	return len(f[key]) == 0 || slices.ContainsFunc(f[key], match)
}

// labels reports whether every label=k[=v] holds.
func (f filters) labels(have map[string]string) bool {
	for _, want := range f["label"] {
		k, v, withValue := strings.Cut(want, "=")
		got, ok := have[k]
		if !ok || withValue && got != v {
			return false
		}
	}
	return true
}

// boolean is the value of a key that is true or false; nil when it was not given.
func (f filters) boolean(key string) (*bool, error) {
	var is *bool
	for _, v := range f[key] {
		yes := v == "true" || v == "1"
		if !yes && v != "false" && v != "0" || is != nil && *is != yes {
			return nil, fmt.Errorf("invalid filter '%s=%v'", key, f[key])
		}
		is = &yes
	}
	return is, nil
}

// matchesPrune applies what prune commands and images share: label, label!, and until, a
// time or a duration before now.
func (f filters) matchesPrune(labels map[string]string, created time.Time) (bool, error) {
	for _, want := range f["label!"] {
		if (filters{"label": {want}}).labels(labels) {
			return false, nil
		}
	}
	for _, v := range f["until"] {
		t, err := parseMoment(v)
		if err != nil {
			return false, err
		}
		if created.After(t) {
			return false, nil
		}
	}
	return f.labels(labels), nil
}

// checkPrune refuses what matchesPrune would.
func (f filters) checkPrune() error {
	if len(f["until"]) > 1 {
		return errors.New("more than one until filter specified")
	}
	_, err := f.matchesPrune(nil, time.Time{})
	return err
}
