"""Channels and waiting units change what can be promised, too: the database marks it."""

from django.db import migrations

FORWARD = """
CREATE SEQUENCE orders_channelstock_number;

CREATE FUNCTION orders_mark_channel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_stockchange (product_id)
    SELECT DISTINCT s.product_id FROM inventory_stock s
      JOIN inventory_poollocation m ON m.location_id = s.location_id
     WHERE m.pool_id = NEW.pool_id
     UNION SELECT c.product_id FROM orders_channelstock c WHERE c.channel_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_channel AFTER INSERT ON orders_saleschannel
    FOR EACH ROW EXECUTE FUNCTION orders_mark_channel();
CREATE TRIGGER mark_changed_channel AFTER UPDATE ON orders_saleschannel FOR EACH ROW
    WHEN ((OLD.pool_id, OLD.active) IS DISTINCT FROM (NEW.pool_id, NEW.active))
    EXECUTE FUNCTION orders_mark_channel();

-- As of any moment: the pool of a channel then, without the secrets it signs with.
CREATE FUNCTION orders_keep_channel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_settinghistory ("table", row_id, at, data)
    VALUES (TG_TABLE_NAME, NEW.id, clock_timestamp(),
            jsonb_build_object('pool_id', NEW.pool_id, 'active', NEW.active));
    RETURN NULL;
END $$;
CREATE TRIGGER keep_channel AFTER INSERT ON orders_saleschannel
    FOR EACH ROW EXECUTE FUNCTION orders_keep_channel();
CREATE TRIGGER keep_changed_channel AFTER UPDATE ON orders_saleschannel FOR EACH ROW
    WHEN ((OLD.pool_id, OLD.active) IS DISTINCT FROM (NEW.pool_id, NEW.active))
    EXECUTE FUNCTION orders_keep_channel();
INSERT INTO inventory_settinghistory ("table", row_id, at, data)
SELECT 'orders_saleschannel', id, 'epoch'::timestamptz,
       jsonb_build_object('pool_id', pool_id, 'active', active) FROM orders_saleschannel;

CREATE FUNCTION orders_mark_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_stockchange (product_id)
    SELECT l.product_id FROM orders_orderline l WHERE l.id = NEW.line_id;
    INSERT INTO inventory_settinghistory ("table", row_id, at, data)
    SELECT TG_TABLE_NAME, NEW.id, clock_timestamp(),
           CASE WHEN NEW.state = 'queued' AND NEW.reservation_id IS NULL THEN
               jsonb_build_object('product_id', l.product_id, 'channel_id', o.channel_id,
                                  'units', NEW.quantity) END
      FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id WHERE l.id = NEW.line_id;
    RETURN NULL;
END $$;
INSERT INTO inventory_settinghistory ("table", row_id, at, data)
SELECT 'orders_allocation', a.id, a.since, jsonb_build_object('product_id', l.product_id,
       'channel_id', o.channel_id, 'units', a.quantity)
  FROM orders_allocation a JOIN orders_orderline l ON l.id = a.line_id
  JOIN orders_order o ON o.id = a.order_id
 WHERE a.state = 'queued' AND a.reservation_id IS NULL;
CREATE TRIGGER mark_waiting AFTER INSERT ON orders_allocation FOR EACH ROW
    WHEN (NEW.state = 'queued' AND NEW.reservation_id IS NULL)
    EXECUTE FUNCTION orders_mark_waiting();
CREATE TRIGGER mark_waiting_change AFTER UPDATE ON orders_allocation FOR EACH ROW
    WHEN ((OLD.state = 'queued' AND OLD.reservation_id IS NULL)
       OR (NEW.state = 'queued' AND NEW.reservation_id IS NULL))
    EXECUTE FUNCTION orders_mark_waiting();
"""
BACKWARD = """
DROP TRIGGER mark_waiting ON orders_allocation;
DROP TRIGGER mark_waiting_change ON orders_allocation;
DROP FUNCTION orders_mark_waiting();
DROP TRIGGER keep_channel ON orders_saleschannel;
DROP TRIGGER keep_changed_channel ON orders_saleschannel;
DROP FUNCTION orders_keep_channel();
DROP TRIGGER mark_channel ON orders_saleschannel;
DROP TRIGGER mark_changed_channel ON orders_saleschannel;
DROP FUNCTION orders_mark_channel();
DROP SEQUENCE orders_channelstock_number;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0002_baskets_and_published_stock"),
        ("inventory", "0004_the_database_keeps_watch"),
    ]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
