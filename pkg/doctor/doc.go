// SPDX-License-Identifier: Apache-2.0

// Package doctor examines the host: a [Row] for every ability that coracle uses,
// whether it is there, what is lost without it, what is done instead, and the one
// command by which the administrator gives it.
//
// What can be tried is tried, not guessed from settings: [Ops] has the operation
// that does so where containers are made, in a user namespace, with nothing left
// behind. The rest is read from files. A row never fails for another: where user
// namespaces are closed, what lies behind them is unknown and says so.
//
// An ability that the engine begins to use gets its row here, and what is done
// without it stands in that row.
package doctor
