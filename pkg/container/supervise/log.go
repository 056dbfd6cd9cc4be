// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"fmt"
	"io"

	"coracle/pkg/container"
	"coracle/pkg/container/logfile"
)

// logSink is where the output is kept.
type logSink interface {
	Stream(name string) io.WriteCloser
	Close() error
}

// writeCloser has another name where io is a stream.
type writeCloser = io.WriteCloser

// openLog opens the log that the container's driver writes, or nil for none.
func openLog(c *container.Container) (logSink, error) {
	l := c.Life
	attrs := logfile.Attributes(l.LogOpts, c.Labels, c.Process.Env)
	switch l.LogDriver {
	case logfile.None:
		return nil, nil
	case logfile.Journald:
		fields := [][2]string{
			{"CONTAINER_ID", c.ID[:12]}, {"CONTAINER_ID_FULL", c.ID}, {"CONTAINER_NAME", c.Name},
			{"CONTAINER_TAG", c.ID[:12]}, {"SYSLOG_IDENTIFIER", c.ID[:12]}, {"IMAGE_NAME", c.Image},
		}
		for k, v := range attrs {
			fields = append(fields, [2]string{journalName(k), v})
		}
		j, err := logfile.OpenJournal(fields)
		if err != nil {
			return nil, err
		}
		return j, nil
	}
	r, err := logfile.RotationOf(l.LogDriver, l.LogOpts)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	w, err := logfile.Create(c.Dir().Log(), r, attrs)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return w, nil
}

// journalName makes a name of a label one of the journal's fields: of capital
// letters, digits and underscores, and not beginning with one.
func journalName(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		switch b := s[i]; {
		case b >= 'a' && b <= 'z':
			out = append(out, b-'a'+'A')
		case b >= 'A' && b <= 'Z', b >= '0' && b <= '9' && len(out) > 0:
			out = append(out, b)
		case len(out) > 0:
			out = append(out, '_')
		}
	}
	return string(out)
}
