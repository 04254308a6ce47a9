-- What a session's webhooks are signed with, and what becomes of personal data in a tenant's texts.

-- JSON, as the core writes it; null for what webhooks of all sessions are signed with.
ALTER TABLE sessions ADD COLUMN webhook_secrets text;

ALTER TABLE tenants ADD COLUMN pii text NOT NULL DEFAULT 'off';
