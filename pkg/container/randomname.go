// SPDX-License-Identifier: Apache-2.0

package container

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// The two halves of a container's name when none was given. Every pair is
// allowed; the surnames are of people to whom computing or seafaring owes much.
const (
	nameQualities = "able agile amber apt astute bold brave bright brisk calm candid cheery civil clever cosy curious daring deft eager earnest fair famous fervent fond frank gallant gentle glad grand happy hardy hearty honest humble jolly keen kind lively loyal lucid lucky mellow merry modest nimble noble patient placid plucky polite proud prudent quick quiet radiant ready robust serene sharp sincere smart sober spry steady sturdy sunny swift tender tidy trusty upbeat valiant vivid warm wise witty zealous"
	namePeople    = "abel allen ampere anning babbage backus baran bell berners bohr boole borg bose brahe brunel cerf chebyshev church clarke cook curie darwin dijkstra dirac engelbart erdos euclid euler faraday fermat feynman floyd franklin galileo gauss goedel goldberg hamilton hamming hertz hilbert hoare hopper huygens hypatia jacobi johnson kahn kepler keller kernighan knuth kovalevskaya lamarr lamport laplace leibniz liskov lovelace magellan mccarthy maxwell meitner mendel mercator minsky morse nansen napier newton noether pascal perlman planck poincare postel ramanujan ritchie shackleton shannon slocum somerville stallman tesla thompson torvalds turing volta wiles wirth yonath"
)

// randomName returns a name such as calm_turing. After a few tries that were
// taken a number is put behind it.
func randomName(try int) string {
	q, p := strings.Fields(nameQualities), strings.Fields(namePeople)
	name := q[rand.IntN(len(q))] + "_" + p[rand.IntN(len(p))]
	if try > 5 {
		name += strconv.Itoa(rand.IntN(10000))
	}
	return name
}
