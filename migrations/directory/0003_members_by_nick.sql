-- Where someone is: their groups, without reading those of others. Nicks are compared without regard to ASCII case.
CREATE INDEX members_by_nick ON members (nick COLLATE NOCASE, group_name, session);
