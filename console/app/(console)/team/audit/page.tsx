export { TeamAuditLog as default } from "@/features/audit/team-log";
