# METADATA
# title: What Countersign decides
# description: >
#   Deny is what is left when nothing was shown: every way to a permit asks for positive evidence, so that an input
#   or a datum that is missing or misspelled can only deny. The rules themselves are data, keyed by audience and
#   scope when the bundle is built (data.rules[audience][scope][id]), so that a decision looks up and never scans.
package countersign

import data.countersign.conditions
import data.countersign.limits

default decision := {
	"decision": "deny",
	"rule": "default",
	"matched": [],
	"public_reason": "No rule allows this.",
	"internal_reason": "No rule was found to match.",
	"token_seconds": 0,
	"grant_seconds": 0,
	"max_tokens": 0,
	"denial_hold_seconds": 0,
	"approval": null,
}

# METADATA
# description: The strictest of all that matched, over all scopes. A rule whose demand is not met refuses, too.
# entrypoint: true
decision := denied(first.id, first.public_reason, first.internal_reason) if {
	first := refusing[min(object.keys(refusing))]
	first.decision == "deny"
} else := denied(first.id, limits.credential_public_reason, limits.credential_internal_reason) if {
	first := refusing[min(object.keys(refusing))]
	first.decision != "deny"
	not conditions.credential_accepted(first)
} else := denied(first.id, limits.key_public_reason, limits.key_internal_reason) if {
	first := refusing[min(object.keys(refusing))]
	first.decision != "deny"
} else := denied("default", "No rule allows this.", uncovered_reason) if {
	count(uncovered) > 0
} else := denied("no-common-group", limits.group_public_reason, limits.group_internal_reason) if {
	count(asking) > 0
	count(limits.common_groups(asking)) == 0
} else := allowed("needs_approval", asking, limits.approval(asking)) if {
	every_scope_covered
	count(asking) > 0
} else := allowed("permit", deciding, null) if {
	every_scope_covered
	count(asking) == 0
	every rule in deciding { rule.decision == "permit" }
}

# METADATA
# description: Every rule that was looked at, scope by scope, and the conditions it did not meet. For people.
# entrypoint: true
explanation := [{"scope": scope, "rule": id, "decision": rule.decision, "unmet": sort(conditions.unmet(rule))} |
	some scope in input.scopes
	some id, rule in data.rules[input.resource.audience][scope]
]

matching[scope] := rules if {
	some scope in input.scopes
	rules := {id: rule |
		some id, rule in data.rules[input.resource.audience][scope]
		conditions.met(rule)
	}
	count(rules) > 0
}

every_scope_covered if {
	count(input.scopes) > 0
	every scope in input.scopes { matching[scope] }
}

uncovered contains scope if {
	some scope in input.scopes
	not matching[scope]
}

uncovered_reason := concat(" ", ["No rule matches", concat(", ", sort(uncovered))])

# Rules that say deny, and rules that demand what the caller did not show: a proof key, another credential.
refusing[id] := rule if {
	some rules in matching
	some id, rule in rules
	not conditions.acceptable(rule)
}

# The rules that decide their scope: those that ask for approval if there is one, else those that permit.
deciding[id] := rule if {
	some rules in matching
	some id, rule in rules
	rule.decision == strictest(rules)
}

asking[id] := rule if {
	some id, rule in deciding
	rule.decision == "needs_approval"
}

strictest(rules) := "needs_approval" if {
	some rule in rules
	rule.decision == "needs_approval"
} else := "permit"

matched contains id if {
	some rules in matching
	some id, _ in rules
}

denied(rule, public_reason, internal_reason) := {
	"decision": "deny",
	"rule": rule,
	"matched": sort(matched),
	"public_reason": public_reason,
	"internal_reason": internal_reason,
	"token_seconds": 0,
	"grant_seconds": 0,
	"max_tokens": 0,
	"denial_hold_seconds": 0,
	"approval": null,
}

# The token carries every scope, so all that decide a scope bind it; the grant is theirs whose decision stands.
allowed(verdict, standing, approval) := {
	"decision": verdict,
	"rule": first.id,
	"matched": sort(matched),
	"public_reason": first.public_reason,
	"internal_reason": first.internal_reason,
	"token_seconds": token_seconds,
	"grant_seconds": limits.grant_seconds(standing, token_seconds),
	"max_tokens": limits.max_tokens(deciding),
	"denial_hold_seconds": limits.denial_hold_seconds(deciding),
	"approval": approval,
} if {
	first := standing[min(object.keys(standing))]
	token_seconds := limits.token_seconds(deciding)
}
