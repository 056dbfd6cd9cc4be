// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Filters are what a list, a prune or a stream of events is narrowed by: values
// by key. Of the values of a key one has to match, of the keys all.
type Filters map[string][]string

// parseFilters reads filters of the form key=value and refuses keys that nobody
// knows.
func parseFilters(list []string, known ...string) (Filters, error) {
	f := Filters{}
	for _, kv := range list {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, invalid("bad format of filter (expected name=value)")
		}
		k = strings.ToLower(strings.TrimSpace(k))
		if !slices.Contains(known, k) {
			return nil, invalid("invalid filter '%s'", k)
		}
		f[k] = append(f[k], strings.TrimSpace(v))
	}
	return f, nil
}

// FilterTexts reads the parameter filters of the API into texts of the form
// key=value, which the functions of this package take: an object that has for
// each key a list of values, or an object whose keys are the values and whose
// own values say nothing (Docker's clients since 1.10).
func FilterTexts(parameter string) ([]string, error) {
	if parameter == "" {
		return nil, nil
	}
	var now map[string]map[string]bool
	lists := map[string][]string{}
	if err := json.Unmarshal([]byte(parameter), &now); err == nil {
		for k, values := range now {
			lists[k] = slices.Sorted(maps.Keys(values))
		}
	} else if err := json.Unmarshal([]byte(parameter), &lists); err != nil {
		return nil, invalid("invalid filter: %w", err)
	}
	var all []string
	for _, k := range slices.Sorted(maps.Keys(lists)) {
		for _, v := range lists[k] {
			all = append(all, k+"="+v)
		}
	}
	return all, nil
}

// Any reports whether no value was given for key, or one that match accepts.
func (f Filters) Any(key string, match func(string) bool) bool {
	return len(f[key]) == 0 || slices.ContainsFunc(f[key], match)
}

// Is reports whether no value was given for key, or have itself.
func (f Filters) Is(key, have string) bool {
	return f.Any(key, func(want string) bool { return want == have })
}

// Like reports whether have is, or as a regular expression matches, one of the
// values of key, or none was given.
func (f Filters) Like(key, have string) bool {
	return f.Any(key, func(want string) bool {
		matched, err := regexp.MatchString(want, have)
		return want == have || err == nil && matched
	})
}

// Labels reports whether every label=k[=v] holds.
func (f Filters) Labels(have map[string]string) bool {
	for _, want := range f["label"] {
		k, v, withValue := strings.Cut(want, "=")
		got, ok := have[k]
		if !ok || withValue && got != v {
			return false
		}
	}
	return true
}

// Bool is the value of a key that is true or false; nil when it was not given.
func (f Filters) Bool(key string) (*bool, error) {
	var is *bool
	for _, v := range f[key] {
		yes := v == "true" || v == "1"
		if !yes && v != "false" && v != "0" || is != nil && *is != yes {
			return nil, invalid("invalid filter '%s=%v'", key, f[key])
		}
		is = &yes
	}
	return is, nil
}

// MatchPrune applies what prunes and the list of images share: label, label!,
// and until, a time or a duration before now.
func (f Filters) MatchPrune(labels map[string]string, created time.Time) bool {
	for _, want := range f["label!"] {
		if (Filters{"label": {want}}).Labels(labels) {
			return false
		}
	}
	for _, v := range f["until"] {
		if t, err := ParseMoment(v); err == nil && created.After(t) {
			return false
		}
	}
	return f.Labels(labels)
}

// checkPrune refuses moments that are none.
func (f Filters) checkPrune() error {
	if len(f["until"]) > 1 {
		return invalid("more than one until filter specified")
	}
	for _, v := range f["until"] {
		if _, err := ParseMoment(v); err != nil {
			return err
		}
	}
	return nil
}

// PruneFilters are the filters of a prune of things that have labels and an age,
// and of the further keys that it knows.
func PruneFilters(list []string, further ...string) (Filters, error) {
	f, err := parseFilters(list, append([]string{"label", "label!", "until"}, further...)...)
	if err != nil {
		return nil, err
	}
	for _, key := range further {
		if _, err := f.Bool(key); err != nil {
			return nil, err
		}
	}
	return f, f.checkPrune()
}

// VolumePruneFilters are those of a prune of volumes: they have no age there, and
// all takes those with names, too.
func VolumePruneFilters(list []string) (Filters, error) {
	f, err := parseFilters(list, "all", "label", "label!")
	if err == nil {
		_, err = f.Bool("all")
	}
	return f, err
}

// CacheFilters are those of a prune of what builds keep.
func CacheFilters(list []string) (Filters, error) {
	return parseFilters(list, "until", "unused-for", "id", "type", "shared", "private", "inuse")
}
