# METADATA
# title: The limits of what is allowed
# description: >
#   Of several rules the tightest limit holds, whichever rule it comes from. Every function is undefined when a
#   limit is missing, and an undefined limit denies.
package countersign.limits

# The longest life of a token by the API's environment, seconds. No rule can exceed it.
token_caps := {"dev": 120, "test": 90, "prod": 45}

token_seconds(rules) := min({token_caps[input.resource.environment]} | numbers) if {
	numbers := limits_of(rules, "token_seconds")
}

# A rule that names no life of its grant gives one token's.
grant_seconds(rules, token) := min({grant_of(rule, token) | some rule in rules}) if {
	every rule in rules { grant_of(rule, token) }
}

grant_of(rule, token) := token if rule.grant_seconds == null

grant_of(rule, _) := rule.grant_seconds if rule.grant_seconds > 0

denial_hold_seconds(rules) := max(limits_of(rules, "denial_hold_seconds"))

max_tokens(rules) := null if {
	every rule in rules { rule.max_tokens == null }
} else := min(limits_of(limited, "max_tokens")) if {
	every rule in rules { rule.max_tokens != false }
	limited := {id: rule | some id, rule in rules; rule.max_tokens != null}
}

approval(rules) := {
	"groups": sort(common_groups(rules)),
	"quorum": max(limits_of(approvals, "quorum")),
	"pending_seconds": min(limits_of(approvals, "pending_seconds")),
	"pickup_seconds": min(limits_of(approvals, "pickup_seconds")),
} if {
	every rule in rules { rule.approval }
	approvals := {id: rule.approval | some id, rule in rules}
}

# A comprehension skips what is missing, so the limit is asked of every rule first.
limits_of(rules, name) := {rule[name] | some rule in rules} if {
	every rule in rules { rule[name] > 0 }
}

# Who may approve under every one of the rules. None is a denial, never an approval that anybody may give.
common_groups(rules) := intersection({groups |
	some rule in rules
	groups := {group | some group in rule.approval.groups}
})

key_public_reason := "This action needs a proof key (DPoP)."

key_internal_reason := "A matching rule demands a proof key, and the caller proved none."

credential_public_reason := "This action needs a workload that signs in to Entra without a client secret."

credential_internal_reason := "A matching rule refuses client secrets, and the workload signed in to Entra with one."

group_public_reason := "No approver may decide on all of these actions together; ask for them one by one."

group_internal_reason := "The rules that ask for approval have no approver group in common."
