// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"strconv"
	"strings"
	"time"

	"coracle/pkg/events"
)

// momentLayouts are Docker's: with a zone, and in the local one without.
var momentLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02Z07:00",
	"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02T15", "2006-01-02",
}

// ParseMoment reads a time, seconds since 1970, or a duration before now: what
// since and until are, wherever Docker has them. Nothing is the zero time.
func ParseMoment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && s != "0" {
		return time.Now().Add(-d), nil
	}
	if sec, frac, _ := strings.Cut(s, "."); sec != "" && len(frac) <= 9 {
		n, err := strconv.ParseInt(sec, 10, 64)
		nano, ferr := strconv.ParseUint((frac + "000000000")[:9], 10, 64)
		if err == nil && ferr == nil {
			return time.Unix(n, int64(nano)), nil
		}
	}
	for _, layout := range momentLayouts {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, invalid("failed to parse value as time or duration: %q", s)
}

// EventSpan is which events are asked for, from one moment until another, both of
// which may be empty: those to come.
func EventSpan(since, until string) (o events.Options, err error) {
	if o.Since, err = ParseMoment(since); err != nil {
		return o, err
	}
	if o.Until, err = ParseMoment(until); err != nil {
		return o, err
	}
	o.Past = !o.Since.IsZero() || !o.Until.IsZero() && o.Until.Before(time.Now())
	o.Follow = o.Until.IsZero() || o.Until.After(time.Now())
	return o, nil
}
