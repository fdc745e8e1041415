# METADATA
# title: The generic rules on the cases of semantics.yaml, the visible rules on those of cases.yaml
package countersign_test

import data.countersign

test_semantics[example.name] if {
	some example in data.semantics.cases
	answer := countersign.decision with input as question(example) with data.rules as table(example)
	meets(answer, example.expect)
}

test_rules[example.name] if {
	some example in data.cases
	answer := countersign.decision with input as asked(example)

	# What is asked of approvers beyond groups and quorum is read from the matched rules, not by the module.
	meets(
		{
			"decision": answer.decision,
			"rule": answer.rule,
			"token_seconds": answer.token_seconds,
			"grant_seconds": answer.grant_seconds,
			"max_tokens": answer.max_tokens,
			"denial_hold_seconds": answer.denial_hold_seconds,
			"groups": object.get(answer, ["approval", "groups"], []),
			"quorum": object.get(answer, ["approval", "quorum"], 0),
		},
		object.remove(
			example.expect,
			["required_groups", "deny_quorum", "sign_in_max_age_seconds", "authentication_contexts"],
		),
	)
}

test_nothing_at_all_is_denied if {
	countersign.decision.decision == "deny" with input as {} with data.rules as {}
	countersign.decision.decision == "deny" with input as null
}

# Each member of a question taken away, none of the rest permits, except what no rule asks for.
test_no_member_can_be_left_out[member] if {
	some member in ["agent", "workload", "resource", "scopes"]
	whole := data.semantics.question
	rules := table({"rules": {"read": [{"any_agent": true}]}})
	countersign.decision.decision == "permit" with input as whole with data.rules as rules
	countersign.decision.decision == "deny" with input as object.remove(whole, [member]) with data.rules as rules
}

# Each field of a rule taken away, the rule permits nothing.
test_no_field_can_be_left_out[field] if {
	some field in [
		"id", "environments", "sensitivities", "roles", "decision", "token_seconds", "grant_seconds", "max_tokens",
		"require_key_binding", "refuse_client_secret", "denial_hold_seconds", "public_reason", "internal_reason",
	]
	whole := object.union(data.semantics.rule, {"any_agent": true})
	rules := {data.semantics.audience: {"read": {"rule": object.remove(whole, [field])}}}
	answer := countersign.decision with input as data.semantics.question with data.rules as rules
	answer.decision == "deny"
}

test_explanation_names_what_was_not_met if {
	rules := table({"rules": {"read": [{"id": "other", "agents": {}, "environments": {"dev": true}}]}})
	answer := countersign.explanation with input as data.semantics.question with data.rules as rules
	answer == [{"scope": "read", "rule": "other", "decision": "permit", "unmet": ["agent", "environment"]}]
}

meets(answer, expected) if {
	every field, value in expected { answer[field] == value }
}

question(example) := object.get(
	example, "whole_question",
	object.union(data.semantics.question, object.get(example, "question", {})),
)

asked(example) := {
	"now": 0,
	"agent": {"id": example.agent, "environment": null},
	"workload": {
		"credential": object.get(example, "credential", "secret"),
		"roles": object.get(example, "roles", []),
	},
	"resource": example.resource,
	"scopes": example.scopes,
	"authorization_details": [],
	"key_bound": object.get(example, "key_bound", false),
}

table(example) := {data.semantics.audience: {scope: {rule.id: rule |
	some given in rules
	rule := completed(given)
} |
	some scope, rules in example.rules
}}

# An object in place of another is merged into it by object.union; these are meant to be replaced.
completed(given) := object.union(
	object.remove(object.union(data.semantics.rule, given), ["agents", "environments", "sensitivities", "approval"]),
	{
		"agents": object.get(given, "agents", data.semantics.rule.agents),
		"environments": object.get(given, "environments", data.semantics.rule.environments),
		"sensitivities": object.get(given, "sensitivities", data.semantics.rule.sensitivities),
		"approval": terms(object.get(given, "approval", null)),
	},
)

terms(null) := null

terms(given) := object.union(data.semantics.approval, given) if is_object(given)
