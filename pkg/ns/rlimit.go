// SPDX-License-Identifier: Apache-2.0

package ns

// rlimits are the numbers of the limits by their names in a specification.
var rlimits = map[string]int{
	"RLIMIT_CPU": 0, "RLIMIT_FSIZE": 1, "RLIMIT_DATA": 2, "RLIMIT_STACK": 3, "RLIMIT_CORE": 4, "RLIMIT_RSS": 5,
	"RLIMIT_NPROC": 6, "RLIMIT_NOFILE": 7, "RLIMIT_MEMLOCK": 8, "RLIMIT_AS": 9, "RLIMIT_LOCKS": 10,
	"RLIMIT_SIGPENDING": 11, "RLIMIT_MSGQUEUE": 12, "RLIMIT_NICE": 13, "RLIMIT_RTPRIO": 14, "RLIMIT_RTTIME": 15,
}

// Rlimit is the number of a limit, see getrlimit(2), by its name in a specification:
// RLIMIT_NOFILE.
func Rlimit(name string) (number int, ok bool) {
	number, ok = rlimits[name]
	return number, ok
}
