-- What a session's webhooks are signed with, and what becomes of personal data in a tenant's texts.

-- JSON, as the core writes it; null for what webhooks of all sessions are signed with.
ALTER TABLE sessions ADD COLUMN webhook_secrets TEXT;

ALTER TABLE tenants ADD COLUMN pii TEXT NOT NULL DEFAULT 'off';
