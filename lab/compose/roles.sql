-- Two roles, as any deployment should have them: the owner migrates, the broker's own owns nothing.
-- The passwords guard a database that only this compose project can reach.
create role countersign_owner login password 'lab-owner';
create role countersign login password 'lab-application';
create database countersign owner countersign_owner;
