// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
)

// BenchmarkServed makes calls that are answered. cpu-ns/op is the processors' time of both
// sides, which a busy machine leaves as it is.
func BenchmarkServed(b *testing.B) {
	dir := b.TempDir()
	name := func(n string) string { return filepath.Join(dir, n) }
	for _, n := range []string{"plain", "given"} {
		if err := os.WriteFile(name(n), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	if err := ids.Record(unix.AT_FDCWD, name("given"), 5, 6, unix.S_IFREG|0o644); err != nil {
		b.Fatal(err)
	}
	at, err := os.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer at.Close()
	file, err := os.Open(name("plain"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	d, f := int(at.Fd()), int(file.Fd())
	var st unix.Stat_t
	for _, c := range []struct {
		name string
		do   func(i int) error
	}{
		{"stat", func(int) error { return unix.Stat(name("plain"), &st) }},
		{"lstat in directory", func(int) error { return unix.Fstatat(d, "plain", &st, unix.AT_SYMLINK_NOFOLLOW) }},
		{"lstat of noted in directory", func(int) error { return unix.Fstatat(d, "given", &st, unix.AT_SYMLINK_NOFOLLOW) }},
		{"fstat", func(int) error { return unix.Fstat(f, &st) }},
		{"chown in directory", func(i int) error { return unix.Fchownat(d, "given", 5, 6+i%2, unix.AT_SYMLINK_NOFOLLOW) }},
		{"fchown", func(i int) error { return unix.Fchown(f, 5, 6+i%2) }},
		{"open to make", func(int) error {
			fd, err := unix.Openat(d, "plain", unix.O_CREAT|unix.O_RDWR, 0o644)
			unix.Close(fd)
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := filter(b, NewKeeper())
			var before, after unix.Rusage
			s.run(func() {
				_ = unix.Getrusage(unix.RUSAGE_SELF, &before)
				for i := range b.N {
					if err := c.do(i); err != nil {
						b.Error(err)
						break
					}
				}
				_ = unix.Getrusage(unix.RUSAGE_SELF, &after)
			})
			used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
			b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
			s.end(b)
		})
	}
}
